// One role: its permissions as sentences, edited as a grid of resources and actions.

import { get, patch, post, remove, segment } from '../api.js';
import { confirm, recordDrawer } from '../parts/dialog.js';
import { badge, button, count, facts, h, notice, sentence, time } from '../main.js';
import { field, fieldError, form } from '../parts/form.js';
import { clearanceText } from '../pages/roles.js';
import { confirmAccess, permissionGrid, sentenceList } from '../parts/permissions.js';
import { toast } from '../parts/toast.js';
import { auditLink } from '../router.js';
import { can, CLEARANCES } from '../session.js';

async function roleForm(drawer, role, { changed, actions }) {
  const catalogue = (await get('/permissions')).items;
  const permissions = role?.permissions ?? [];
  const rules = permissionGrid(catalogue, permissions);
  const saved = async (values) => {
    await (role ? patch(`/roles/${role.name}`, values) : post('/roles', values));
    changed();
    toast(role ? 'The role was changed.' : `${sentence(values.name)} was created.`);
    drawer.close();
  };
  return form({
    submit: role ? 'Save' : 'Create the role',
    drawer,
    actions,
    fields: [
      !role &&
        field({
          name: 'name',
          label: 'Name',
          hint: 'Small letters, digits and _, such as support_team',
          autocomplete: 'off',
          spellcheck: 'false',
        }),
      field({
        name: 'clearance',
        label: 'Sees fields up to',
        type: 'select',
        options: CLEARANCES,
        value: role?.clearance ?? 'internal',
      }),
      h('div', { class: 'section' }, h('h3', {}, 'Permissions'), rules.node),
      h('div', {}, h('h3', {}, 'In words'), rules.preview),
    ].filter(Boolean),
    send: async ({ name, clearance }) => {
      if (!role && !/^[a-z][a-z0-9_]{0,62}$/.test(name))
        throw fieldError('/name', 'Begin with a small letter; then small letters, digits and _.');
      const after = rules.chosen();
      const values = { ...(role ? {} : { name }), clearance, permissions: after };
      if (role && [...after].sort().join() !== [...permissions].sort().join())
        return confirmAccess(role.name, permissions, after, () => saved(values));
      return saved(values);
    },
  });
}

function deleteRole(role, drawer, changed) {
  return confirm({
    title: `Delete the role ${sentence(role.name)}?`,
    text: 'Only a role that nobody holds can be deleted. This cannot be undone.',
    verb: 'Delete role',
    work: async () => {
      await remove(`/roles/${role.name}`);
      drawer.close();
      changed();
      toast(`${sentence(role.name)} was deleted.`);
    },
  });
}

function readOnly(role) {
  return h(
    'div',
    { class: 'section' },
    h('h3', {}, 'What it allows'),
    sentenceList(role.permissions),
    role.name === 'admin' && notice('', h('p', {}, 'This role always allows everything and cannot be changed.')),
  );
}

async function existingRole(drawer, name, hooks) {
  const role = await get(`/roles/${segment(name)}`);
  const actions = [
    !role.built_in &&
      can('roles', 'delete') &&
      button('Delete', { tone: 'danger-quiet start', onclick: () => deleteRole(role, drawer, hooks.changed) }),
    auditLink({ target_type: 'role', target_id: role.name }),
  ].filter(Boolean);
  drawer.setTitle(sentence(role.name));
  drawer.setFoot(...actions);
  const editor =
    role.name !== 'admin' &&
    can('roles', 'update') &&
    h('div', { class: 'section' }, await roleForm(drawer, role, { ...hooks, actions }));
  drawer.body.replaceChildren(
    facts([
      ['Kind', badge(role.built_in ? 'Built in' : 'Custom')],
      ['Clearance', !editor && clearanceText(role.clearance)],
      ['Permissions', count(role.permissions?.length ?? 0, 'permission')],
      ['Created', role.created_at && time(role.created_at, { full: true })],
      ['Updated', role.updated_at && time(role.updated_at, { full: true })],
    ]),
    editor || readOnly(role),
  );
}

export function roleDrawer(name, hooks) {
  return recordDrawer({
    title: name === 'new' ? 'New role' : sentence(name),
    closed: hooks.closed,
    wide: true,
    load: async (drawer) =>
      name === 'new'
        ? drawer.body.replaceChildren(await roleForm(drawer, null, hooks))
        : existingRole(drawer, name, hooks),
  });
}
