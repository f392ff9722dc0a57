import { badge, button, sentence, time } from '../main.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead, setQuery, withQuery } from '../router.js';
import { can } from '../session.js';

/* Permissions in words: `entities.customers:update:own` is "update own customers" */

const list = (words) => (words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`);

export function parsePermission(text) {
  if (text === '*') return { resource: '*', action: '*', reach: 'any' };
  const [resource, action, ...reach] = text.split(':');
  return { resource, action, reach: reach.join(':') || 'any' };
}

function nounOf(resource, reach) {
  if (resource === 'entities.*') return reach === 'own' ? 'own entities of every type' : 'entities of every type';
  const noun = resource.replace(/^entities\./, '').replace(/[_-]/g, ' ');
  return reach === 'own' ? `own ${noun}` : noun;
}

function condition(reach) {
  const rule = /^where\((.*)\)$/s.exec(reach)?.[1];
  return rule
    ? ` where ${rule
        .replace(/@user\./g, 'their ')
        .replaceAll('data.', '')
        .replaceAll(' = ', ' is ')
        .replaceAll(' != ', ' is not ')}`
    : '';
}

/** One sentence for each resource and reach: "Can read and update own customers". */
export function sentencesOf(permissions = []) {
  const groups = new Map();
  for (const text of permissions) {
    const { resource, action, reach } = parsePermission(text);
    if (resource === '*') return ['Can do everything'];
    const key = `${resource} ${reach}`;
    if (!groups.has(key)) groups.set(key, { resource, reach, actions: [] });
    groups.get(key).actions.push(action === '*' ? 'do everything with' : action);
  }
  return [...groups.values()].map(
    ({ resource, reach, actions }) => `Can ${list(actions)} ${nounOf(resource, reach)}${condition(reach)}`,
  );
}

export const summaryOf = (permissions) => {
  const all = sentencesOf(permissions);
  if (!all.length) return 'Nothing yet';
  return all.length > 2 ? `${all.slice(0, 2).join(' · ')} · ${all.length - 2} more` : all.join(' · ');
};

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
