// Who may do what, and who may read which field: as it is enforced now, and changed where it stands.

import { address, get, patch, request, segment } from '../api.js';
import { openDialog } from '../parts/dialog.js';
import { emptyState, h, icon, notice, problemNotice, sentence } from '../main.js';
import { field, form } from '../parts/form.js';
import { confirmAccess, confirmDifference, permissionGrid, resourceName } from '../parts/permissions.js';
import { menuButton, table } from '../parts/table.js';
import { toast } from '../parts/toast.js';
import { here, pageHead, setQuery, to } from '../router.js';
import { can, CLEARANCES, reachWords, sentencesOf } from '../session.js';

const clearanceWord = (level) => CLEARANCES.find(([key]) => key === level)?.[1] ?? sentence(level);
const fieldWord = (path) => path.slice(1).replaceAll('/', ' › ').replaceAll('~1', '/').replaceAll('~0', '~');
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** What is held of one resource, a line for each reach. */
function heldWords(actions = {}, known) {
  const held = Object.entries(actions);
  if (!held.length) return ['–'];
  if (held.length === known.length && known.length > 1 && held.every(([, reach]) => reach === 'any')) return ['Everything'];
  const reaches = [...new Set(held.map(([, reach]) => reach))];
  return reaches.map((reach) => {
    const done = held.filter(([, other]) => other === reach).map(([action]) => action);
    return capital(done.join(', ')) + (reach === 'any' ? '' : `: ${reachWords(reach)}`);
  });
}

/** The permissions of a role that open `resource` without naming it. */
const broader = (permissions, resource) =>
  permissions.filter((text) => text === '*' || (resource.startsWith('entities.') && resource !== 'entities.*' && text.startsWith('entities.*:')));

async function editCell({ name, row, reload }) {
  const { body: role, etag } = await request('GET', `/roles/${segment(name)}`);
  const grid = permissionGrid([{ resource: row.name, actions: row.actions, reach: row.reach }], role.permissions);
  const besides = sentencesOf(broader(role.permissions, row.name));
  const box = openDialog({
    title: `${sentence(name)}: ${resourceName(row.name).replace('Entities: ', '').toLowerCase()}`,
    body: '',
  });
  box.body.replaceChildren(
    h(
      'div',
      { class: 'stack' },
      besides.length > 0 &&
        notice('', h('p', {}, `${besides.join('. ')}, whatever is chosen here. Change that where it stands.`)),
      form({
        submit: 'Continue',
        drawer: box,
        fields: [grid.node],
        send: async () => {
          const after = grid.chosen();
          if ([...after].sort().join() === [...role.permissions].sort().join()) return box.close();
          return confirmAccess(name, role.permissions, after, async () => {
            await patch(`/roles/${segment(name)}`, { permissions: after }, { headers: { 'If-Match': etag } });
            box.close();
            toast('The role was changed.');
            await reload();
          });
        },
      }),
    ),
  );
}

/** Who reads a field of this sensitivity: those who read the type and have the clearance. */
function readersAt({ roles, clearances, resources }, type, level) {
  const levels = CLEARANCES.map(([key]) => key);
  const grants = resources.find(({ name }) => name === `entities.${type}`)?.grants ?? {};
  return roles.filter((role) => grants[role]?.read && levels.indexOf(clearances[role]) >= levels.indexOf(level));
}

async function editField({ matrix, one, reload }) {
  const { body: type, etag } = await request('GET', `/entity-types/${segment(one.type)}`);
  const box = openDialog({ title: `${sentence(one.type)}: ${fieldWord(one.path)}`, body: '' });
  const now = type.fields[one.path]?.sensitivity ?? 'internal';
  const read = (roles) => (roles.length ? roles.map(sentence).join(', ') : 'Nobody');
  const tell = ({ target }) => {
    preview.textContent = `${read(readersAt(matrix, one.type, target.value))} would read it.`;
  };
  const preview = h('p', { class: 'muted', role: 'status' });
  box.body.replaceChildren(
    form({
      submit: 'Continue',
      drawer: box,
      fields: [
        field({
          name: 'sensitivity',
          label: 'Sensitivity',
          type: 'select',
          options: CLEARANCES,
          value: now,
          onchange: tell,
          hint: 'It also goes for what lies under the field',
        }),
        preview,
      ],
      send: async ({ sensitivity }) => {
        if (sensitivity === now) return box.close();
        const [before, after] = [readersAt(matrix, one.type, now), readersAt(matrix, one.type, sensitivity)];
        const words = (roles) => roles.map((role) => `${sentence(role)} reads ${fieldWord(one.path)} of ${sentence(one.type).toLowerCase()}`);
        const fields = { ...type.fields, [one.path]: { ...type.fields[one.path], sensitivity } };
        return confirmDifference({
          title: `Make ${fieldWord(one.path)} ${clearanceWord(sensitivity).toLowerCase()}?`,
          text: `It is ${clearanceWord(now).toLowerCase()} now. It takes effect on the next request, also on what is stored already. You can change it back.`,
          verb: 'Change the field',
          gone: words(before.filter((role) => !after.includes(role))),
          come: words(after.filter((role) => !before.includes(role))),
          save: async () => {
            await patch(`/entity-types/${segment(one.type)}`, { fields }, { headers: { 'If-Match': etag } });
            box.close();
            toast('The field was changed.');
            await reload();
          },
        });
      },
    }),
  );
  tell({ target: { value: now } });
}

/** A cell that opens what changes it; a failure to open it is told by the page. */
function cellButton(words, label, open, failed) {
  const edit = async () => {
    try {
      await open();
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      failed(problem);
    }
  };
  return h(
    'button',
    { type: 'button', class: 'cell', 'aria-label': `${label}: ${words.join(' ')}`, onclick: edit },
    words.map((text) => [h('span', { class: text === '–' ? 'faint' : null }, text), ' ']),
  );
}

function rightsCard(matrix, { reload, failed }) {
  const chosen = here().query.get('role') ?? '';
  const shown = matrix.roles.includes(chosen) ? [chosen] : matrix.roles;
  const held = (role) => (row) => {
    if (!row.actions) return clearanceWord(matrix.clearances[role]);
    const words = heldWords(row.grants[role], row.actions);
    if (role === 'admin' || !can('roles', 'update')) return words.map((text) => h('div', {}, text));
    const label = `${sentence(role)}, ${resourceName(row.name)}`;
    return cellButton(words, label, () => editCell({ name: role, row, reload }), failed);
  };
  const columns = [
    { label: 'Resource', cell: (row) => (row.actions ? resourceName(row.name) : row.name) },
    ...shown.map((role) => ({
      label: sentence(role),
      phoneLabel: sentence(role),
      cell: held(role),
    })),
  ];
  const pick = h(
    'select',
    {
      class: 'select',
      'aria-label': 'Role',
      value: chosen,
      onchange: ({ target }) => setQuery({ role: target.value }),
    },
    [['', 'Every role'], ...matrix.roles.map((role) => [role, sentence(role)])].map(([value, text]) =>
      h('option', { value }, text),
    ),
  );
  const rows = table({ label: 'What each role may do', columns, items: [{ name: 'Sees fields up to' }, ...matrix.resources] });
  rows.classList.add('matrix');
  return h(
    'section',
    { class: 'card', 'aria-label': 'What each role may do' },
    h('div', { class: 'toolbar' }, h('h2', { class: 'grow' }, 'What each role may do'), pick),
    h('div', { class: 'table-scroll' }, rows),
  );
}

function fieldsCard(matrix, { reload, failed }) {
  const change = (one) => {
    const words = [clearanceWord(one.sensitivity)];
    if (!can('entity_types', 'update')) return words[0];
    return cellButton(words, `${sentence(one.type)}, ${fieldWord(one.path)}`, () => editField({ matrix, one, reload }), failed);
  };
  const columns = [
    { label: 'Field', cell: (one) => fieldWord(one.path) },
    { label: 'Entity type', cell: (one) => sentence(one.type) },
    { label: 'Sensitivity', cell: change },
    {
      label: 'Read by',
      phoneLabel: 'Read by',
      cell: (one) => (one.readable_by.length ? one.readable_by.map(sentence).join(', ') : 'Nobody'),
    },
  ];
  const rows = matrix.fields.length && table({ label: 'Who may read which field', columns, items: matrix.fields });
  if (rows) rows.classList.add('matrix');
  return h(
    'section',
    { class: 'card', 'aria-label': 'Who may read which field' },
    h('div', { class: 'card-head' }, h('h2', {}, 'Who may read which field')),
    rows
      ? h('div', { class: 'table-scroll' }, rows)
      : emptyState({ icon: 'layers', title: 'No fields yet', text: 'The fields of entity types stand here once there are some.' }),
  );
}

function keysCard({ keys }) {
  const may = ({ grants }) =>
    sentencesOf(
      Object.entries(grants).flatMap(([resource, actions]) =>
        Object.entries(actions).map(([action, reach]) => `${resource}:${action}:${reach}`),
      ),
    );
  const columns = [
    { label: 'Key', cell: (key) => key.name },
    { label: 'Owner', cell: (key) => key.owner_email },
    { label: 'Sees fields up to', phoneLabel: 'Sees up to', cell: (key) => clearanceWord(key.clearance) },
    { label: 'May', cell: (key) => (may(key).length ? may(key).map((text) => h('div', {}, text)) : 'Nothing') },
  ];
  const rows = table({ label: 'What each API key may do', columns, items: keys, rowHref: (key) => to('api-keys', { open: key.id }) });
  rows.classList.add('matrix');
  return h(
    'section',
    { class: 'card', 'aria-label': 'What each API key may do' },
    h('div', { class: 'card-head' }, h('h2', {}, 'What each API key may do')),
    h('div', { class: 'table-scroll' }, rows),
  );
}

function exportMenu() {
  const link = (format, ending, text) =>
    h(
      'a',
      { class: 'menu-item', href: address('/access-matrix', { format }), download: `access-matrix.${ending}` },
      icon('download'),
      text,
    );
  const entries = [link('markdown', 'md', 'As a document (Markdown)'), link('json', 'json', 'As JSON')];
  return menuButton('Export', { glyph: 'download', content: () => entries });
}

export default function accessMatrix({ root }) {
  const failure = h('div', {});
  const body = h('div', { class: 'stack-loose' }, h('p', { class: 'muted late' }, 'Loading…'));
  let matrix = null;
  const failed = (problem) => failure.replaceChildren(problemNotice(problem, load));
  async function load() {
    try {
      matrix = await get('/access-matrix');
      failure.replaceChildren();
      show();
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      failed(problem);
      if (!matrix) body.replaceChildren();
    }
  }
  function show() {
    const hooks = { reload: load, failed };
    body.replaceChildren(
      rightsCard(matrix, hooks),
      fieldsCard(matrix, hooks),
      ...(matrix.keys?.length ? [keysCard(matrix)] : []),
    );
  }
  root.append(
    pageHead({
      title: 'Access matrix',
      lead: can('roles', 'update')
        ? 'Who may do what, as it is enforced now. Press a cell to change it.'
        : 'Who may do what, as it is enforced now.',
      actions: [exportMenu()],
    }),
    failure,
    body,
  );
  load();
  return { update: () => matrix && show() };
}
