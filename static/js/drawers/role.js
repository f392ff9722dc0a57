// One role: its permissions as sentences, edited as a grid of resources and actions.

import { get, patch, post, remove, segment } from '../api.js';
import { confirm, openDialog, attempt, recordDrawer } from '../parts/dialog.js';
import { badge, button, count, facts, h, icon, notice, sentence, time } from '../main.js';
import { field, fieldError, form } from '../parts/form.js';
import { clearanceText, parsePermission, sentencesOf } from '../pages/roles.js';
import { toast } from '../parts/toast.js';
import { to } from '../router.js';
import { can, CLEARANCES } from '../session.js';

const auditLink = (name) => h('a', { class: 'button', href: to('audit', { target_type: 'role', target_id: name }) }, icon('list'), 'Audit');
const sentenceList = (permissions) => h('ul', { class: 'stack' }, (sentencesOf(permissions).length ? sentencesOf(permissions) : ['Can do nothing yet']).map((text) => h('li', { class: 'row' }, icon('check', 14), h('span', { class: 'grow' }, text))));

function resourceName(resource) {
  if (resource === 'entities.*') return 'Entities of every type';
  return resource.startsWith('entities.') ? `Entities: ${sentence(resource.slice(9))}` : sentence(resource);
}

/** One resource: a box for each action and the reach they share. */
function resourceRow({ resource, actions, description, reach: hasReach }, held) {
  const mine = held.filter((permission) => permission.resource === resource);
  const reach = mine[0]?.reach ?? 'any';
  const special = reach !== 'any' && reach !== 'own';
  const boxes = actions.map((action) => h('label', { class: 'check' },
    h('input', { type: 'checkbox', 'data-action': action, checked: mine.some((permission) => permission.action === action || permission.action === '*') }), sentence(action)));
  const reachSelect = hasReach && h('select', { class: 'select', 'aria-label': `Reach for ${resourceName(resource)}`, 'data-reach': '', value: reach },
    h('option', { value: 'any' }, 'Any record'), h('option', { value: 'own' }, 'Own records'), special && h('option', { value: reach }, sentencesOf([`${resource}:read:${reach}`])[0].split(' where ')[1] ?? reach));
  return h('div', { class: 'rule', 'data-resource': resource, role: 'group', 'aria-label': resourceName(resource) },
    h('div', { class: 'row' }, h('div', { class: 'grow' }, h('p', { class: 'strong' }, resourceName(resource)), description && h('p', { class: 'hint small faint' }, description)), reachSelect && h('div', {}, reachSelect)),
    h('div', { class: 'row row-loose' }, boxes));
}

function permissionsOf(grid, unlisted) {
  const listed = [...grid.querySelectorAll('[data-resource]')].flatMap((row) => {
    const reach = row.querySelector('[data-reach]')?.value ?? 'any';
    return [...row.querySelectorAll('[data-action]:checked')].map((box) => `${row.dataset.resource}:${box.dataset.action}${reach === 'any' ? '' : `:${reach}`}`);
  });
  return [...listed, ...unlisted];
}

function grid(catalogue, permissions) {
  const held = permissions.map(parsePermission);
  const known = new Set(catalogue.map(({ resource }) => resource));
  const unlisted = permissions.filter((text) => !known.has(parsePermission(text).resource));
  const preview = h('div', { class: 'notice' });
  const node = h('div', { 'data-pointer': '/permissions', onchange: show }, h('p', { class: 'error', hidden: true }), catalogue.map((entry) => resourceRow(entry, held)));
  const value = () => permissionsOf(node, unlisted);
  function show() { preview.replaceChildren(sentenceList(value())); }
  show();
  return { node, preview, value };
}

/** The difference in words, before a change of access is saved. */
function confirmAccess(name, before, after, save) {
  const old = sentencesOf(before);
  const now = sentencesOf(after);
  const gone = old.filter((text) => !now.includes(text));
  const come = now.filter((text) => !old.includes(text));
  const failure = h('div', {});
  const act = button('Change the role', { tone: 'primary', onclick: async () => (await attempt(act, failure, save)) && box.close() });
  const cancel = button('Cancel', { onclick: () => box.close() });
  const box = openDialog({
    title: `Change what ${sentence(name)} may do?`,
    body: h('div', { class: 'stack' },
      h('p', { class: 'muted' }, 'It takes effect on the next request of everyone who holds the role. You can change it back.'),
      gone.length > 0 && h('div', {}, h('h3', {}, 'No longer'), h('div', { class: 'diff' }, gone.map((text) => h('del', {}, text)))),
      come.length > 0 && h('div', {}, h('h3', {}, 'From now on'), h('div', { class: 'diff' }, come.map((text) => h('ins', {}, text)))),
      failure),
    foot: [cancel, act],
  });
  cancel.focus();
}

async function roleForm(drawer, role, { changed, actions }) {
  const catalogue = (await get('/permissions')).items;
  const permissions = role?.permissions ?? [];
  const rules = grid(catalogue, permissions);
  const saved = async (values) => {
    await (role ? patch(`/roles/${role.name}`, values) : post('/roles', values));
    changed();
    toast(role ? 'The role was changed.' : `${sentence(values.name)} was created.`);
    drawer.close();
  };
  return form({
    submit: role ? 'Save' : 'Create the role', drawer, actions,
    fields: [
      !role && field({ name: 'name', label: 'Name', hint: 'Small letters, digits and _, such as support_team', autocomplete: 'off', spellcheck: 'false' }),
      field({ name: 'description', label: 'Description', value: role?.description ?? '', optional: true }),
      field({ name: 'clearance', label: 'Sees fields up to', type: 'select', options: CLEARANCES, value: role?.clearance ?? 'internal' }),
      h('div', { class: 'section' }, h('h3', {}, 'Permissions'), rules.node), h('div', {}, h('h3', {}, 'In words'), rules.preview),
    ].filter(Boolean),
    send: async ({ name, description, clearance }) => {
      if (!role && !/^[a-z][a-z0-9_]{0,62}$/.test(name)) throw fieldError('/name', 'Begin with a small letter; then small letters, digits and _.');
      const after = rules.value();
      const values = { ...(role ? {} : { name }), clearance, permissions: after, ...(description !== (role?.description ?? '') && { description }) };
      if (role && [...after].sort().join() !== [...permissions].sort().join()) return confirmAccess(role.name, permissions, after, () => saved(values));
      return saved(values);
    },
  });
}

function deleteRole(role, drawer, changed) {
  return confirm({
    title: `Delete the role ${sentence(role.name)}?`,
    text: 'Everyone who holds it loses what it allows, on their next request. This cannot be undone.',
    verb: 'Delete role',
    work: async () => { await remove(`/roles/${role.name}`); drawer.close(); changed(); toast(`${sentence(role.name)} was deleted.`); },
  });
}

function readOnly(role) {
  return h('div', { class: 'section' }, h('h3', {}, 'What it allows'), sentenceList(role.permissions),
    role.built_in && notice('', h('p', {}, 'A built-in role keeps its rules. Create a role of your own to change them.')));
}

async function existingRole(drawer, name, hooks) {
  const role = await get(`/roles/${segment(name)}`);
  const mayWrite = (action) => !role.built_in && (can('roles', action) || can('roles', 'write'));
  const actions = [mayWrite('delete') && button('Delete', { tone: 'danger-quiet start', onclick: () => deleteRole(role, drawer, hooks.changed) }), auditLink(role.name)].filter(Boolean);
  drawer.setTitle(sentence(role.name));
  drawer.setFoot(...actions);
  const editor = mayWrite('update') && h('div', { class: 'section' }, await roleForm(drawer, role, { ...hooks, actions }));
  drawer.body.replaceChildren(facts([
    ['Kind', badge(role.built_in ? 'Built in' : 'Custom')], ['Description', !editor && role.description], ['Clearance', !editor && clearanceText(role.clearance)],
    ['Permissions', count(role.permissions?.length ?? 0, 'permission')], ['Created', role.created_at && time(role.created_at, { full: true })], ['Updated', role.updated_at && time(role.updated_at, { full: true })],
  ]), editor || readOnly(role));
}

export function roleDrawer(name, hooks) {
  return recordDrawer({
    title: name === 'new' ? 'New role' : sentence(name), closed: hooks.closed,
    load: async (drawer) => (name === 'new' ? drawer.body.replaceChildren(await roleForm(drawer, null, hooks)) : existingRole(drawer, name, hooks)),
  });
}
