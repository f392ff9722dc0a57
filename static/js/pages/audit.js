import { address } from '../api.js';
import { sentenceOf } from '../parts/events.js';
import { badge, button, h, icon, labelled, sentence, time } from '../parts/dom.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead, setQuery, withQuery } from '../router.js';
import { can } from '../session.js';

const OUTCOMES = [['', 'Any outcome'], ['success', 'Done'], ['denied', 'Denied'], ['failed', 'Failed']];
const TYPES = [['', 'Any object'], ['user', 'Users'], ['role', 'Roles'], ['session', 'Sessions'], ['entity', 'Entities'], ['entity_type', 'Entity types'], ['kill_switch', 'Kill switch']];
const DAYS = [['', 'Any time'], ['1', 'Last 24 hours'], ['7', 'Last 7 days'], ['30', 'Last 30 days']];
const TEXT_FILTERS = [['actor_id', 'Person'], ['action', 'Action'], ['target_id', 'Object'], ['request_id', 'Request']];
const LABELS = { success: ['Done', 'good'], denied: ['Denied', 'caution'], failed: ['Failed', 'danger'] };

export const outcomeBadge = (outcome) => badge(...(LABELS[outcome] ?? [sentence(outcome)]));

const COLUMNS = [
  { label: 'What happened', fit: true, cell: (event) => sentenceOf(event) },
  { label: 'Outcome', cell: (event) => outcomeBadge(event.outcome) },
  { label: 'When', cell: (event) => time(event.at) },
  { label: 'From', cell: (event) => event.ip ?? '' },
  { label: 'Number', numeric: true, phoneOff: true, cell: (event) => event.seq },
];

function since(days) {
  return days ? new Date(Date.now() - Number(days) * 86400000).toISOString() : null;
}

function params(query) {
  const plain = ['actor_id', 'action', 'target_type', 'target_id', 'outcome', 'request_id'].map((name) => [name, query.get(name)]);
  return { ...Object.fromEntries(plain), from: since(query.get('days')), sort: null };
}

/** The filters that came by link or typing, each with a way to take it off. */
function chips() {
  const query = new URLSearchParams(location.search);
  const set = TEXT_FILTERS.filter(([name]) => query.get(name));
  return set.map(([name, label]) => h('a', { class: 'button small', href: withQuery({ [name]: null, cursor: null }), 'aria-label': `Take off the filter ${label}` },
    `${label}: ${query.get(name).length > 22 ? `${query.get(name).slice(0, 8)}…` : query.get(name)}`, icon('close', 12)));
}

function filterMenu() {
  const host = h('div', { class: 'menu-host' });
  const toggle = button('More filters', { 'aria-expanded': 'false', onclick: () => show(menu.hidden) });
  const query = new URLSearchParams(location.search);
  const inputs = TEXT_FILTERS.map(([name, label]) => labelled(name === 'action' ? label : `${label} (id)`, h('input', { class: 'input', name, value: query.get(name) ?? '', spellcheck: 'false', placeholder: name === 'action' ? 'user.created' : null })));
  const menu = h('form', { class: 'menu form', hidden: true, onsubmit: (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(menu));
    show(false);
    setQuery({ ...values, cursor: null });
  } }, inputs, button('Apply', { tone: 'primary', type: 'submit' }));
  function show(open) {
    menu.hidden = !open;
    toggle.setAttribute('aria-expanded', String(open));
    if (open) menu.querySelector('input').focus();
  }
  host.addEventListener('keydown', (event) => { if (event.key === 'Escape' && !menu.hidden) { show(false); toggle.focus(); } });
  host.addEventListener('focusout', (event) => event.relatedTarget && !host.contains(event.relatedTarget) && show(false));
  host.append(toggle, menu);
  return host;
}

export default function audit({ root }) {
  const active = h('div', { class: 'row' });
  const list = listView({
    path: '/audit', noun: 'event', columns: COLUMNS, params,
    rowHref: (event) => withQuery({ open: event.seq }),
    filters: [{ name: 'outcome', label: 'Outcome', options: OUTCOMES }, { name: 'target_type', label: 'Object', options: TYPES }, { name: 'days', label: 'Time', options: DAYS }],
    hidden: TEXT_FILTERS.map(([name]) => name),
    tools: [filterMenu(), active],
    empty: { icon: 'list', title: 'No events yet', text: 'Every change, sign-in and refusal is written here.' },
  });
  const verify = async () => (await import('../drawers/verify.js')).verifyChain();
  const mayExport = can('audit', 'export');
  root.append(pageHead({ title: 'Audit log', actions: [
    mayExport && h('a', { class: 'button', href: address('/audit/export', { format: 'csv' }), download: 'audit.csv' }, icon('download'), 'CSV'),
    mayExport && h('a', { class: 'button', href: address('/audit/export', { format: 'jsonl' }), download: 'audit.jsonl' }, icon('download'), 'JSON Lines'),
    button('Verify chain', { glyph: 'shield', tone: 'primary', onclick: verify }),
  ] }), list.node);
  const page = listWithDrawer(list, async (seq, hooks) => (await import('../drawers/event.js')).eventDrawer(seq, hooks));
  const showChips = () => active.replaceChildren(...chips());
  showChips();
  return { ...page, update: (place) => { showChips(); return page.update(place); } };
}
