import { literal } from '../api.js';
import { badge, button, h, sentence, time } from '../main.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead, setQuery, withQuery } from '../router.js';
import { can } from '../session.js';

/** What can be heard of, in words; other patterns stand for themselves. */
export const EVENTS = [
  ['*', 'Everything that happens'],
  ['entity.*', 'Entities'],
  ['entity_type.*', 'Entity types'],
  ['file.*', 'Files'],
  ['user.*', 'Users'],
  ['role.*', 'Roles'],
  ['api_key.*', 'API keys'],
  ['session.*', 'Sessions and sign-ins'],
  ['login.*', 'Failed sign-ins'],
  ['request.*', 'Refused and limited requests'],
  ['kill_switch.*', 'The kill switch'],
  ['webhook.*', 'Webhooks'],
  ['secret.*', 'Keys of this instance'],
  ['alert.*', 'Alerts'],
];
const WORDS = new Map(EVENTS);

export const wordsOf = (pattern) =>
  WORDS.get(pattern) ??
  (pattern.endsWith('.*') ? `${sentence(pattern.slice(0, -2))}: anything` : sentence(pattern.replace('.', ' ')));

export function summaryOf(patterns) {
  if (patterns.includes('*')) return WORDS.get('*');
  const [first, ...others] = patterns.map(wordsOf);
  return others.length ? `${first} and ${others.length} more` : first;
}

export function stateOf(hook) {
  if (!hook.active) return hook.disabled_reason ? badge('Switched off by itself', 'danger') : badge('Off');
  return hook.failures ? badge('Failing', 'caution') : badge('On', 'good');
}

const host = ({ url }) => new URL(url).host;

const columns = [
  { label: 'Name', sort: 'name', fit: true, cell: (hook) => hook.name },
  { label: 'Calls', sort: 'url', fit: true, cell: host },
  { label: 'Hears of', fit: true, cell: (hook) => summaryOf(hook.events) },
  { label: 'State', cell: stateOf },
  {
    label: 'Last delivered',
    sort: 'last_delivered_at',
    phoneLabel: 'Delivered',
    cell: (hook) => (hook.last_delivered_at ? time(hook.last_delivered_at) : h('span', { class: 'muted' }, 'Never')),
  },
];

const FILTERS = { on: 'active = true', failing: 'active = true and failures > 0', off: 'active = false' };

function params(query) {
  const word = query.get('search');
  const parts = [
    word && `(name ~ ${literal(word)} or url ~ ${literal(word)})`,
    FILTERS[query.get('state')] && `(${FILTERS[query.get('state')]})`,
  ];
  return { filter: parts.filter(Boolean).join(' and ') };
}

export default function webhooks({ root }) {
  const list = listView({
    path: '/webhooks',
    noun: 'webhook',
    columns,
    params,
    sort: '-created_at',
    rowHref: (hook) => withQuery({ open: hook.id }),
    search: { placeholder: 'Search by name or address' },
    filters: [
      {
        name: 'state',
        label: 'State',
        options: [
          ['', 'Any state'],
          ['on', 'On'],
          ['failing', 'Failing'],
          ['off', 'Off'],
        ],
      },
    ],
    empty: {
      icon: 'bolt',
      title: 'No webhooks yet',
      text: 'Another program hears of what happens here, by a signed call to an address of yours.',
    },
  });
  const make = () => setQuery({ open: 'new' });
  const add = button('New webhook', { glyph: 'plus', tone: 'primary', onclick: make });
  root.append(
    pageHead({
      title: 'Webhooks',
      lead: 'Who hears of what happens, without its contents: signed, tried three times, never to private addresses.',
      actions: can('webhooks', 'create') ? [add] : [],
    }),
    list.node,
  );
  return listWithDrawer(list, async (id, hooks) => (await import('../drawers/webhook.js')).webhookDrawer(id, hooks));
}
