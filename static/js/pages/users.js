import { literal } from '../api.js';
import { badge, button, h, sentence, time } from '../main.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead, setQuery, withQuery } from '../router.js';
import { can } from '../session.js';

const STATUSES = [
  ['', 'Any status'],
  ['active', 'Active'],
  ['disabled', 'Disabled'],
  ['pending', 'Waiting for approval'],
  ['deleted', 'Deleted'],
];

const isLocked = (user) => user.locked_until && new Date(user.locked_until) > new Date();

/** What is usual stays quiet, so that the rest is seen. */
function stateOf(user) {
  if (user.deleted_at) return badge('Deleted');
  return user.status === 'active'
    ? h('span', { class: 'muted' }, 'Active')
    : badge(sentence(user.status), user.status === 'pending' ? 'caution' : '');
}

function statusBadges(user) {
  return h(
    'span',
    { class: 'badges' },
    stateOf(user),
    isLocked(user) && badge('Locked', 'caution'),
    user.kind === 'service' && badge('Service account'),
  );
}

const COLUMNS = [
  { label: 'Name', sort: 'name', fit: true, cell: (user) => user.name || user.email },
  { label: 'Email', sort: 'email', fit: true, cell: (user) => user.email },
  { label: 'Status', cell: statusBadges },
  {
    label: 'Roles',
    fit: true,
    cell: (user) => user.roles?.map(sentence).join(', ') || h('span', { class: 'faint' }, 'No role'),
  },
  { label: 'Last sign-in', phoneLabel: 'Signed in', cell: (user) => time(user.last_login_at) },
  { label: 'Created', sort: 'created_at', phoneLabel: 'Created', cell: (user) => time(user.created_at) },
];

function params(query) {
  const word = query.get('search');
  const status = query.get('status');
  const parts = [
    word && `(email ~ ${literal(word)} or name ~ ${literal(word)})`,
    status && status !== 'deleted' && `status = ${literal(status)}`,
  ];
  return { filter: parts.filter(Boolean).join(' and '), deleted: status === 'deleted' ? 'only' : null };
}

export default function users({ root }) {
  const list = listView({
    path: '/users',
    noun: 'user',
    live: ['users'],
    columns: COLUMNS,
    params,
    sort: '-created_at',
    rowHref: (user) => withQuery({ open: user.id }),
    search: { placeholder: 'Search by name or email' },
    filters: [{ name: 'status', label: 'Status', options: STATUSES }],
    empty: { icon: 'users', title: 'No users yet', text: 'Invite the people who may sign in.' },
  });
  const mayCreate = can('users', 'create');
  root.append(
    pageHead({
      title: 'Users',
      actions: [
        button('New user', {
          glyph: 'plus',
          tone: 'primary',
          disabled: !mayCreate,
          title: mayCreate ? null : 'Your role may not create users',
          onclick: () => setQuery({ open: 'new' }),
        }),
      ],
    }),
    list.node,
  );
  return listWithDrawer(list, async (id, hooks) => (await import('../drawers/user.js')).userDrawer(id, hooks));
}
