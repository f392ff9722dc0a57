// One role: its permissions as sentences, edited as a grid of resources and actions.

import { get, patch, post, remove, segment } from '../api.js';
import { confirm, openDialog, attempt, recordDrawer } from '../parts/dialog.js';
import { badge, button, count, facts, h, icon, notice, sentence, time } from '../main.js';
import { field, fieldError, form } from '../parts/form.js';
import { clearanceText } from '../pages/roles.js';
import { toast } from '../parts/toast.js';
import { auditLink } from '../router.js';
import { can, CLEARANCES, parsePermission, sentencesOf } from '../session.js';

export const sentenceList = (permissions) =>
  h(
    'ul',
    { class: 'stack' },
    (sentencesOf(permissions).length ? sentencesOf(permissions) : ['Can do nothing yet']).map((text) =>
      h('li', { class: 'row' }, icon('check', 14), h('span', { class: 'grow' }, text)),
    ),
  );

function resourceName(resource) {
  if (resource === 'entities.*') return 'Entities of every type';
  return resource.startsWith('entities.') ? `Entities: ${sentence(resource.slice(9))}` : sentence(resource);
}

/** What is held for one action, kept word for word when it is more than a plain reach. */
function reachOptions(texts) {
  const reaches = texts.map((text) => parsePermission(text).reach);
  const plain = [
    ['', 'No'],
    ['any', 'Any record'],
    ['own', 'Own records'],
  ];
  if (reaches.length === 0 || (reaches.length === 1 && ['any', 'own'].includes(reaches[0])))
    return { options: plain, value: reaches[0] ?? '' };
  const words = texts.map((text) => sentencesOf([text])[0].split(' where ')[1] ?? 'own records').join(' or ');
  return { options: [...plain, ['kept', `Where ${words}`]], value: 'kept' };
}

function actionChoice(resource, action, hasReach, permissions) {
  const texts = permissions.filter(
    (text) => text === `${resource}:${action}` || text.startsWith(`${resource}:${action}:`),
  );
  if (!hasReach)
    return h(
      'label',
      { class: 'check' },
      h('input', { type: 'checkbox', 'data-action': action, checked: texts.length > 0 }),
      sentence(action),
    );
  const { options, value } = reachOptions(texts);
  const select = h(
    'select',
    { class: 'select', 'data-action': action, value },
    options.map(([key, text]) => h('option', { value: key }, text)),
  );
  select.kept = texts;
  return h('label', { class: 'reach' }, h('span', { class: 'small' }, sentence(action)), select);
}

function resourceRow({ resource, actions, description, reach }, permissions) {
  return h(
    'div',
    { class: 'rule', 'data-resource': resource, role: 'group', 'aria-label': resourceName(resource) },
    h('p', { class: 'strong' }, resourceName(resource)),
    description && !reach && h('p', { class: 'small faint' }, description),
    h(
      'div',
      { class: 'row row-loose' },
      actions.map((action) => actionChoice(resource, action, reach, permissions)),
    ),
  );
}

function permissionOf(resource, control) {
  const text = `${resource}:${control.dataset.action}`;
  if (control.type === 'checkbox') return control.checked ? [text] : [];
  return { '': [], any: [text], own: [`${text}:own`], kept: control.kept }[control.value];
}

/** Resources and actions to choose from, with what was chosen in words; `value()` answers the permissions. */
export function permissionGrid(catalogue, permissions, pointer = '/permissions') {
  const listed = (text) => {
    const { resource, action } = parsePermission(text);
    return catalogue.find((entry) => entry.resource === resource)?.actions.includes(action);
  };
  const unlisted = permissions.filter((text) => !listed(text));
  const preview = h('div', { class: 'notice' });
  const node = h(
    'div',
    { 'data-pointer': pointer, onchange: show },
    h('p', { class: 'error', hidden: true }),
    catalogue.map((entry) => resourceRow(entry, permissions)),
  );
  const value = () => [
    ...[...node.querySelectorAll('[data-action]')].flatMap((control) =>
      permissionOf(control.closest('[data-resource]').dataset.resource, control),
    ),
    ...unlisted,
  ];
  function show() {
    preview.replaceChildren(sentenceList(value()));
  }
  show();
  return { node, preview, value };
}

/** The difference in words, before a change of access is saved. */
function confirmAccess(name, before, after, save) {
  const gone = sentencesOf(before.filter((text) => !after.includes(text)));
  const come = sentencesOf(after.filter((text) => !before.includes(text)));
  const failure = h('div', {});
  const act = button('Change the role', {
    tone: 'primary',
    onclick: async () => (await attempt(act, failure, save)) && box.close(),
  });
  const cancel = button('Cancel', { onclick: () => box.close() });
  const box = openDialog({
    title: `Change what ${sentence(name)} may do?`,
    body: h(
      'div',
      { class: 'stack' },
      h(
        'p',
        { class: 'muted' },
        'It takes effect on the next request of everyone who holds the role. You can change it back.',
      ),
      gone.length > 0 &&
        h(
          'div',
          {},
          h('h3', {}, 'No longer'),
          h(
            'div',
            { class: 'diff' },
            gone.map((text) => h('del', {}, text)),
          ),
        ),
      come.length > 0 &&
        h(
          'div',
          {},
          h('h3', {}, 'From now on'),
          h(
            'div',
            { class: 'diff' },
            come.map((text) => h('ins', {}, text)),
          ),
        ),
      failure,
    ),
    foot: [cancel, act],
  });
  cancel.focus();
}

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
      const after = rules.value();
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
