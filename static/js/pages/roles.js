import { badge, button, sentence, time } from '../main.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead, setQuery, withQuery } from '../router.js';
import { can, summaryOf } from '../session.js';

export const clearanceText = (level) => `Sees fields up to ${sentence(level ?? 'internal').toLowerCase()}`;

const COLUMNS = [
  { label: 'Role', cell: (role) => sentence(role.name) },
  { label: 'May do', fit: true, cell: (role) => summaryOf(role.permissions) },
  { label: 'Sees fields up to', phoneLabel: 'Sees up to', cell: (role) => sentence(role.clearance) },
  { label: 'Kind', cell: (role) => badge(role.built_in ? 'Built in' : 'Custom', role.built_in ? '' : 'accent') },
  { label: 'Updated', phoneLabel: 'Updated', cell: (role) => (role.updated_at ? time(role.updated_at) : '') },
];

export default function roles({ root }) {
  const list = listView({
    path: '/roles',
    noun: 'role',
    columns: COLUMNS,
    rowHref: (role) => withQuery({ open: role.name }),
    empty: { icon: 'key', title: 'No roles', text: 'A role says what its people may do.' },
  });
  const mayCreate = can('roles', 'create');
  root.append(
    pageHead({
      title: 'Roles',
      actions: [
        button('New role', {
          glyph: 'plus',
          tone: 'primary',
          disabled: !mayCreate,
          title: mayCreate ? null : 'Your role may not create roles',
          onclick: () => setQuery({ open: 'new' }),
        }),
      ],
    }),
    list.node,
  );
  return listWithDrawer(list, async (name, hooks) => (await import('../drawers/role.js')).roleDrawer(name, hooks));
}
