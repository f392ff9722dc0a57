import { literal } from '../api.js';
import { badge, button, h, time } from '../main.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead, setQuery, withQuery } from '../router.js';
import { can, summaryOf } from '../session.js';

export const hasEnded = (key) => key.expires_at && new Date(key.expires_at) <= new Date();

function ends(key) {
  if (hasEnded(key)) return badge('Expired', 'caution');
  return key.expires_at ? time(key.expires_at) : h('span', { class: 'muted' }, 'Never');
}

const columns = () => [
  { label: 'Name', sort: 'name', fit: true, cell: (key) => key.name },
  can('api_keys', 'read') && { label: 'Acts for', sort: 'owner_email', fit: true, cell: (key) => key.owner_email },
  { label: 'May do', fit: true, cell: (key) => summaryOf(key.scopes) },
  { label: 'Begins with', phoneLabel: 'Begins with', cell: (key) => h('code', {}, key.prefix) },
  { label: 'Last used', sort: 'last_used_at', phoneLabel: 'Used', cell: (key) => time(key.last_used_at) },
  { label: 'Expires', sort: 'expires_at', phoneLabel: 'Expires', cell: ends },
];

function params(query) {
  const word = query.get('search');
  const owner = query.get('owner');
  const parts = [
    word && `(name ~ ${literal(word)} or owner_email ~ ${literal(word)} or prefix ~ ${literal(word)})`,
    owner && `owner_id = ${literal(owner)}`,
  ];
  return { filter: parts.filter(Boolean).join(' and ') };
}

export default function apiKeys({ root }) {
  const list = listView({
    path: '/api-keys',
    noun: 'API key',
    columns: columns().filter(Boolean),
    params,
    sort: '-created_at',
    hidden: ['owner'],
    rowHref: (key) => withQuery({ open: key.id }),
    search: { placeholder: 'Search by name, owner or beginning' },
    empty: {
      icon: 'terminal',
      title: 'No API keys yet',
      text: 'A script or another program calls with a key of its own.',
    },
  });
  root.append(
    pageHead({
      title: 'API keys',
      lead: 'With which programs call, each within the rights of the account it acts for.',
      actions: [button('New API key', { glyph: 'plus', tone: 'primary', onclick: () => setQuery({ open: 'new' }) })],
    }),
    list.node,
  );
  return listWithDrawer(list, async (id, hooks) => (await import('../drawers/api-key.js')).apiKeyDrawer(id, hooks));
}
