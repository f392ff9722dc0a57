// One entity type: its properties, who may see each, and the whole schema as JSON.

import { get, patch, post, remove, segment } from '../api.js';
import { confirm, recordDrawer } from '../parts/dialog.js';
import { button, copyable, facts, h, sentence, time } from '../main.js';
import { field, fieldError, form } from '../parts/form.js';
import { isUnderWay } from '../pages/entity-types.js';
import { schemaEditor } from '../parts/schema-editor.js';
import { storedValues } from '../parts/stored-values.js';
import { toast } from '../parts/toast.js';
import { progressNotice } from '../parts/type-progress.js';
import { auditLink, go, to } from '../router.js';
import { can } from '../session.js';

// What request inspection does with findings in a type's entities.
const INSPECTION = [
  ['', 'As the server does'],
  ['off', 'Off'],
  ['observe', 'Observe: note findings'],
  ['block', 'Block: refuse findings'],
];

const SEARCH = [
  ['', 'Look at each entity'],
  ['index', 'By an index of the name and of what is searched'],
];

const mayChange = () => can('entity_types', 'update');

const inOrder = (pointers) => JSON.stringify(pointers && [...pointers].sort());

/** The schema with what is said of its fields. A migration takes that along by itself where nobody changed it. */
function definition(type, editor, { pointers, migration }) {
  const read = editor.read();
  const sameSearch = Boolean(pointers) === Boolean(type?.search);
  if (migration && sameSearch && !editor.marked()) return { schema: read.schema, migration };
  const search = inOrder(pointers) !== inOrder(type?.search ?? null) && { search: pointers };
  return { ...read, ...search, ...(migration && { migration }) };
}

function typeForm(drawer, type, send, actions) {
  const editor = schemaEditor(type, true);
  const stored = storedValues(type?.name, editor.changes);
  const search = field({
    type: 'select',
    name: 'search',
    label: 'Search',
    options: SEARCH,
    value: type?.search ? 'index' : '',
    hint: 'With many entities an index finds words at once; each change then costs a little more',
  });
  const searchSelect = search.querySelector('select');
  searchSelect.addEventListener('change', () => editor.search(searchSelect.value !== ''));
  editor.node.addEventListener('change', ({ target }) => {
    if (target.dataset?.part === 'searched' && target.checked) searchSelect.value = 'index';
    if (type) stored.update();
  });
  return form({
    submit: type ? 'Save' : 'Create the type',
    drawer,
    actions,
    fields: [
      !type &&
        field({
          name: 'name',
          label: 'Name',
          hint: 'Plural, small letters, such as customers',
          autocomplete: 'off',
          spellcheck: 'false',
        }),
      field({
        name: 'alias',
        label: 'Short address',
        value: type?.alias ?? '',
        optional: true,
        hint: 'The entities also answer at /api/v1/ and this word',
      }),
      field({
        type: 'select',
        name: 'inspection',
        label: 'Request inspection',
        options: INSPECTION,
        value: type?.inspection ?? '',
        hint: 'Looks for script, SQL, commands and paths in what is written',
      }),
      search,
      field({
        name: 'retention_days',
        label: 'Days that deleted entities are kept',
        type: 'number',
        min: 1,
        max: 36500,
        step: '1',
        value: type?.retention_days ?? '',
        optional: true,
        hint: 'After that they are gone for good, with their history; empty keeps them',
      }),
      h('div', { class: 'field' }, h('p', { class: 'label' }, 'Properties'), editor.node),
      type && stored.node,
    ].filter(Boolean),
    send: async ({ name, alias, inspection, search: searches, retention_days: days }) => {
      stored.settle();
      if (!type && !/^[a-z][a-z0-9_]{0,62}$/.test(name))
        throw fieldError('/name', 'Begin with a small letter; then small letters, digits and _.');
      const values = {
        ...(type ? {} : { name }),
        ...((alias || type?.alias) && { alias: alias || null }),
        ...(inspection !== (type?.inspection ?? '') && { inspection: inspection || null }),
        ...(days !== String(type?.retention_days ?? '') && { retention_days: days === '' ? null : Number(days) }),
        ...definition(type, editor, { pointers: searches ? editor.searched() : null, migration: type && stored.steps() }),
      };
      try {
        await send(values);
      } catch (problem) {
        if (type && problem.body?.count !== undefined) return stored.refuse(problem);
        if (problem.errors?.some(({ pointer }) => pointer?.startsWith('/schema'))) editor.reveal();
        throw problem;
      }
    },
  });
}

function newType(drawer, { changed }) {
  drawer.body.replaceChildren(
    typeForm(drawer, null, async (values) => {
      const type = await post('/entity-types', values);
      changed();
      toast(`The type ${sentence(type.name)} was created.`);
      go(to(`entities/${type.name}`));
    }),
  );
  drawer.body.querySelector('input').focus();
}

function deleteType(type, drawer, changed) {
  return confirm({
    title: `Delete the type ${sentence(type.name)}?`,
    text: 'Only a type without entities can be deleted. This cannot be undone.',
    verb: 'Delete type',
    work: async () => {
      await remove(`/entity-types/${type.name}`);
      drawer.close();
      changed();
      toast(`The type ${sentence(type.name)} was deleted.`);
    },
  });
}

/** `seen.migrating` is kept between two loads: a migration may be over before the next one has asked. */
async function existingType(drawer, name, { changed }, seen) {
  const type = await get(`/entity-types/${segment(name)}`);
  drawer.setTitle(sentence(type.name));
  if (seen.migrating && !type.migration) {
    changed();
    toast('The entities were migrated.');
  }
  seen.migrating = Boolean(type.migration);
  const send = async (values) => {
    const now = await patch(`/entity-types/${type.name}`, values);
    changed();
    toast(now.migration ? 'The entities are being migrated.' : 'The type was changed.');
    seen.migrating = Boolean(now.migration);
    if (isUnderWay(now)) await drawer.reload();
    else drawer.close();
  };
  const deletable = can('entity_types', 'delete');
  const actions = [
    deletable && button('Delete', { tone: 'danger-quiet start', onclick: () => deleteType(type, drawer, changed) }),
    auditLink({ target_type: 'entity_type', target_id: type.name }),
    h('a', { class: 'button', href: to(`entities/${type.name}`) }, 'Entities'),
  ].filter(Boolean);
  drawer.setFoot(...actions);
  const editable = mayChange() && !type.migration;
  drawer.body.replaceChildren(
    progressNotice(type, () => drawer.reload()),
    facts([
      ['Created', time(type.created_at, { full: true })],
      ['Updated', time(type.updated_at, { full: true })],
      ['Id', type.id && copyable(type.id, 'Copy the id')],
    ]),
    h(
      'div',
      { class: 'section' },
      editable ? typeForm(drawer, type, send, actions) : schemaEditor(type, false).node,
    ),
  );
}

export function entityTypeDrawer(name, hooks) {
  const seen = { migrating: false };
  return recordDrawer({
    title: name === 'new' ? 'New entity type' : sentence(name),
    closed: hooks.closed,
    wide: true,
    load: async (drawer) => (name === 'new' ? newType(drawer, hooks) : existingType(drawer, name, hooks, seen)),
  });
}
