import { address } from '../api.js';
import { badge, button, h, icon, labelled, sentence, time } from '../main.js';
import { listView, listWithDrawer, menuButton } from '../parts/table.js';
import { pageHead, setQuery, withQuery } from '../router.js';
import { can } from '../session.js';

const OUTCOMES = [
  ['', 'Any outcome'],
  ['success', 'Done'],
  ['denied', 'Denied'],
  ['failed', 'Failed'],
];
const TYPES = [
  ['', 'Any object'],
  ['user', 'Users'],
  ['role', 'Roles'],
  ['session', 'Sessions'],
  ['api_key', 'API keys'],
  ['entity', 'Entities'],
  ['entity_type', 'Entity types'],
  ['file', 'Files'],
  ['kill_switch', 'Kill switch'],
  ['elevation', 'Elevations'],
  ['webhook', 'Webhooks'],
  ['job', 'Jobs'],
  ['backup', 'Backups'],
  ['secret', 'Keys of this instance'],
  ['alert', 'Alerts'],
  ['route', 'Refused requests'],
];
const DAYS = [
  ['', 'Any time'],
  ['1', 'Last 24 hours'],
  ['7', 'Last 7 days'],
  ['30', 'Last 30 days'],
];
const TEXT_FILTERS = [
  ['actor_id', 'Person'],
  ['action', 'Action'],
  ['target_id', 'Object'],
  ['request_id', 'Request'],
  ['elevation_id', 'Elevation'],
];
const LABELS = { denied: ['Denied', 'caution'], failed: ['Failed', 'caution'] };

export const outcomeBadge = (outcome) =>
  outcome === 'success' ? h('span', { class: 'muted' }, 'Done') : badge(...(LABELS[outcome] ?? [sentence(outcome)]));

/* Events as sentences: "Anna changed role support" */

const VERBS = {
  created: ['created', 'create'],
  updated: ['changed', 'change'],
  deleted: ['deleted', 'delete'],
  restored: ['restored', 'restore'],
  erased: ['erased', 'erase'],
  imported: ['imported', 'import'],
  exported: ['exported', 'export'],
  read: ['read', 'read'],
  unlocked: ['unlocked', 'unlock'],
  verified: ['verified', 'verify'],
  rotated: ['rotated', 'rotate'],
  revoked: ['revoked', 'revoke'],
};
const WHOLE = {
  'login.failed': ['signed in', 'sign in'],
  'login.spray_seen': ['tried many accounts', 'sign in to many accounts'],
  'session.created': ['signed in', 'sign in'],
  'session.ended': ['ended a session', 'end a session'],
  'session.refreshed': ['stayed signed in', 'stay signed in'],
  'session.refresh_reused': ['used an old refresh token', 'use an old refresh token'],
  'user.sessions_ended': ['signed out everywhere', 'sign out everywhere'],
  'user.sessions_revoked': ['ended all sessions of a user', 'end all sessions of a user'],
  'user.password_changed': ['changed their password', 'change their password'],
  'user.password_reset': ['set a password by link', 'set a password by link'],
  'user.password_reset_requested': ['asked for a password link by mail', 'ask for a password link by mail'],
  'user.invited': ['mailed a first password link', 'mail a first password link'],
  'session.new_device': ['signed in from a new device', 'sign in from a new device'],
  'mail.tested': ['sent a test mail', 'send a test mail'],
  'user.password_link_issued': ['made a password link for a user', 'make a password link for a user'],
  'user.mfa_enabled': ['turned on their second factor', 'turn on their second factor'],
  'user.mfa_disabled': ['turned off their second factor', 'turn off their second factor'],
  'user.mfa_reset': ['reset the second factor of a user', 'reset the second factor of a user'],
  'user.recovery_code_used': ['used a recovery code', 'use a recovery code'],
  'user.recovery_codes_issued': ['got new recovery codes', 'get new recovery codes'],
  'login.code_failed': ['signed in', 'sign in with the right password and a wrong code'],
  'user.signed_up': ['signed up', 'sign up'],
  'elevation.started': ['broke the glass', 'break the glass'],
  'elevation.ended': ['ended an elevation', 'end an elevation'],
  'elevation.expired': ['closed an elevation at its time', 'close an elevation'],
  'elevation.reviewed': ['reviewed an elevation', 'review an elevation'],
  'webhook.tested': ['sent a test to a webhook', 'send a test to a webhook'],
  'webhook.replayed': ['sent a delivery of a webhook again', 'send a delivery of a webhook again'],
  'webhook.disabled': ['switched a webhook off', 'reach a webhook, which was switched off'],
  'job.retried': ['ran a job again', 'run a job again'],
  'job.cancelled': ['cancelled a job', 'cancel a job'],
  'alert.raised': ['raised an alert', 'raise an alert'],
  'alert.cleared': ['cleared an alert', 'clear an alert'],
  'backup.created': ['made a backup', 'make a backup'],
  'backup.requested': ['asked for a backup', 'ask for a backup'],
  'backup.check_requested': ['asked for a check of a backup', 'ask for a check of a backup'],
  'backup.verified': ['checked a backup and found it good', 'check a backup, which cannot be trusted'],
  'backup.downloaded': ['took a backup out', 'take a backup out'],
  'backup.restored': ['restored a backup', 'restore a backup'],
  'user.anonymised': ['anonymised a user', 'anonymise a user'],
  'user.erased': ['erased a user', 'erase a user'],
  'user.files_erased': ['erased the files of a user', 'erase the files of a user'],
  'user.exported': ['took out what is kept of a user', 'take out what is kept of a user'],
  'entity.anonymised': ['anonymised an entity', 'anonymise an entity'],
  'entity.erased': ['erased an entity', 'erase an entity'],
  'entity.exported': ['took out what is kept of an entity', 'take out what is kept of an entity'],
  'entity_type.migration_begun': ['began to migrate the entities of a type', 'migrate the entities of a type'],
  'entity_type.events_sealed': ['sealed what earlier events tell of a type', 'seal what earlier events tell of a type'],
  'recovery_key.made': ['made a recovery key', 'make a recovery key'],
  'secret.rotated': ['rotated a key of this instance', 'rotate a key of this instance'],
  'secret.retired': ['removed an old key of this instance', 'remove an old key of this instance'],
  'kill_switch.activated': ['switched the kill switch on', 'switch the kill switch on'],
  'kill_switch.deactivated': ['switched the kill switch off', 'switch the kill switch off'],
};

const article = (noun) => `${/^[aeio]/.test(noun) ? 'an' : 'a'} ${noun}`;

function objectOf({ target, changes }, noun) {
  const name = changes?.after?.name ?? changes?.after?.email ?? changes?.before?.name ?? changes?.before?.email;
  if (name && typeof name === 'string') return `${noun} ${name}`;
  return target?.type === 'role' && target.id ? `${noun} ${target.id}` : article(noun);
}

const ACTORS = { cli: 'The command line', system: 'The system', api_key: 'An API key' };

export function actorName({ actor }) {
  if (!actor || actor.type === 'anonymous') return 'Someone not signed in';
  if (!actor.label) return ACTORS[actor.type] ?? 'A user';
  if (actor.type === 'api_key') return `The key ${actor.label}`;
  return actor.type === 'user' ? actor.label : actor.label.charAt(0).toUpperCase() + actor.label.slice(1);
}

export function sentenceOf(event) {
  const done = event.outcome === 'success';
  const told = ([past, base]) => (done ? past : `tried to ${base}`);
  const who = actorName(event);
  if (event.action === 'request.denied') return `${who} was refused ${event.target?.id ?? 'a request'}`;
  if (WHOLE[event.action]) return `${who} ${told(WHOLE[event.action])}`;
  const dot = event.action.lastIndexOf('.');
  const verb = VERBS[event.action.slice(dot + 1)];
  if (!verb || dot < 0) return `${who}: ${sentence(event.action).toLowerCase()}`;
  return `${who} ${told(verb)} ${objectOf(event, event.action.slice(0, dot).split('.')[0].replaceAll('_', ' ').replace('api', 'API'))}`;
}

const COLUMNS = [
  { label: 'What happened', fit: true, cell: (event) => sentenceOf(event) },
  { label: 'Outcome', cell: (event) => outcomeBadge(event.outcome) },
  { label: 'When', cell: (event) => time(event.at) },
  { label: 'From', cell: (event) => event.ip ?? '' },
  { label: 'Number', numeric: true, phoneOff: true, cell: (event) => event.seq },
];

/** From the start of an hour, since a next page has to ask for the very same span. */
function since(days) {
  const hour = 3600000;
  return days ? new Date(Math.floor(Date.now() / hour) * hour - Number(days) * 24 * hour).toISOString() : null;
}

function params(query) {
  const plain = ['actor_id', 'action', 'target_type', 'target_id', 'outcome', 'request_id', 'elevation_id'].map((name) => [
    name,
    query.get(name),
  ]);
  return { ...Object.fromEntries(plain), from: since(query.get('days')), sort: null };
}

/** The filters that came by link or typing, each with a way to take it off. */
function chips() {
  const query = new URLSearchParams(location.search);
  const set = TEXT_FILTERS.filter(([name]) => query.get(name));
  return set.map(([name, label]) =>
    h(
      'a',
      { class: 'button small', href: withQuery({ [name]: null, cursor: null }), title: 'Take this filter off' },
      `${label}: ${query.get(name).length > 22 ? `${query.get(name).slice(0, 8)}…` : query.get(name)}`,
      icon('close', 12),
    ),
  );
}

function filterMenu() {
  function fields() {
    const query = new URLSearchParams(location.search);
    const inputs = TEXT_FILTERS.map(([name, label]) =>
      labelled(
        name === 'action' ? label : `${label} (id)`,
        h('input', {
          class: 'input',
          name,
          value: query.get(name) ?? '',
          spellcheck: 'false',
          placeholder: name === 'action' ? 'user.created' : null,
        }),
      ),
    );
    return h('form', { class: 'form', onsubmit: apply }, inputs, button('Apply', { tone: 'primary', type: 'submit' }));
  }
  function apply(event) {
    event.preventDefault();
    menu.close();
    setQuery({ ...Object.fromEntries(new FormData(event.target)), cursor: null });
  }
  const menu = menuButton('More filters', { content: fields });
  return menu;
}

function exportMenu() {
  const link = (format, text) =>
    h(
      'a',
      { class: 'menu-item', href: address('/audit/export', { format }), download: `audit.${format}` },
      icon('download'),
      text,
    );
  return menuButton('Export', {
    glyph: 'download',
    content: () => [link('csv', 'CSV, to read'), link('jsonl', 'JSON Lines, to verify')],
  });
}

export default function audit({ root }) {
  const active = h('div', { class: 'row' });
  const list = listView({
    path: '/audit',
    noun: 'event',
    live: ['audit'],
    columns: COLUMNS,
    params,
    rowHref: (event) => withQuery({ open: event.seq }),
    filters: [
      { name: 'outcome', label: 'Outcome', options: OUTCOMES },
      { name: 'target_type', label: 'Object', options: TYPES },
      { name: 'days', label: 'Time', options: DAYS },
    ],
    hidden: TEXT_FILTERS.map(([name]) => name),
    tools: [filterMenu(), active],
    empty: { icon: 'list', title: 'No events yet', text: 'Every change, sign-in and refusal is written here.' },
  });
  const verify = async () => (await import('../drawers/verify.js')).verifyChain();
  root.append(
    pageHead({
      title: 'Audit log',
      actions: [
        can('audit', 'export') && exportMenu(),
        button('Verify chain', { glyph: 'shield', tone: 'primary', onclick: verify }),
      ],
    }),
    list.node,
  );
  const page = listWithDrawer(list, async (seq, hooks) =>
    (await import('../drawers/event.js')).eventDrawer(seq, hooks),
  );
  const showChips = () => active.replaceChildren(...chips());
  showChips();
  return {
    ...page,
    update: (place) => {
      showChips();
      return page.update(place);
    },
  };
}
