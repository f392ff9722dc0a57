// One entity type: its properties, who may see each, and the whole schema as JSON.

import { get, patch, post, remove, segment } from '../api.js';
import { confirm, recordDrawer } from '../parts/dialog.js';
import { button, copyable, facts, h, number, sentence, time } from '../main.js';
import { field, fieldError, form } from '../parts/form.js';
import { schemaEditor } from '../parts/schema-editor.js';
import { toast } from '../parts/toast.js';
import { auditLink, go, to } from '../router.js';
import { can } from '../session.js';

// What request inspection does with findings in a type's entities.
const INSPECTION = [
  ['', 'As the server does'],
  ['off', 'Off'],
  ['observe', 'Observe: note findings'],
  ['block', 'Block: refuse findings'],
];

const SEARCHED = 10;

/** The texts of a schema that a search index holds: pointers to its top properties. */
function textsOf(schema) {
  const isText = ({ type, enum: choices }) => [type].flat().includes('string') && !choices;
  return Object.entries(schema?.properties ?? {})
    .filter(([, property]) => isText(property ?? {}))
    .slice(0, SEARCHED)
    .map(([key]) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
}

const searchOptions = (type) =>
  [
    ['', 'Look at each entity'],
    type?.search && ['as it is', ['By an index of the name', ...type.search.map((path) => sentence(path.slice(1)))].join(', ')],
    ['texts', type?.search ? 'By an index of the name and the texts of now' : 'By an index of the name and all texts'],
  ].filter(Boolean);

const mayChange = () => can('entity_types', 'update');

function typeForm(drawer, type, send, actions) {
  const editor = schemaEditor(type, true);
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
      field({
        type: 'select',
        name: 'search',
        label: 'Search',
        options: searchOptions(type),
        value: type?.search ? 'as it is' : '',
        hint: 'With many entities an index finds words at once; each change then costs a little more',
      }),
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
    ].filter(Boolean),
    send: async ({ name, alias, inspection, search, retention_days: days }) => {
      if (!type && !/^[a-z][a-z0-9_]{0,62}$/.test(name))
        throw fieldError('/name', 'Begin with a small letter; then small letters, digits and _.');
      await send({
        ...(type ? {} : { name }),
        ...((alias || type?.alias) && { alias: alias || null }),
        ...(inspection !== (type?.inspection ?? '') && { inspection: inspection || null }),
        ...(days !== String(type?.retention_days ?? '') && { retention_days: days === '' ? null : Number(days) }),
        ...(search === '' && type?.search && { search: null }),
        ...(search === 'texts' && { search: textsOf(editor.read().schema) }),
        ...editor.read(),
      });
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

async function existingType(drawer, name, { changed }) {
  const type = await get(`/entity-types/${segment(name)}`);
  drawer.setTitle(sentence(type.name));
  const send = async (values) => {
    await patch(`/entity-types/${type.name}`, values);
    changed();
    toast('The type was changed.');
    drawer.close();
  };
  const deletable = can('entity_types', 'delete');
  const actions = [
    deletable && button('Delete', { tone: 'danger-quiet start', onclick: () => deleteType(type, drawer, changed) }),
    auditLink({ target_type: 'entity_type', target_id: type.name }),
    h('a', { class: 'button', href: to(`entities/${type.name}`) }, 'Entities'),
  ].filter(Boolean);
  drawer.setFoot(...actions);
  drawer.body.replaceChildren(
    facts([
      ['Indexes', Number.isInteger(type.indexing) && `Being made: ${type.indexing} %`],
      ['Entities', type.migration && `Being migrated, and read only: ${type.migration.percent} %`],
      ['Entities', type.entity_count !== undefined && number(type.entity_count)],
      ['Created', time(type.created_at, { full: true })],
      ['Updated', time(type.updated_at, { full: true })],
      ['Id', type.id && copyable(type.id, 'Copy the id')],
    ]),
    h(
      'div',
      { class: 'section' },
      mayChange() ? typeForm(drawer, type, send, actions) : schemaEditor(type, false).node,
    ),
  );
}

export function entityTypeDrawer(name, hooks) {
  return recordDrawer({
    title: name === 'new' ? 'New entity type' : sentence(name),
    closed: hooks.closed,
    wide: true,
    load: async (drawer) => (name === 'new' ? newType(drawer, hooks) : existingType(drawer, name, hooks)),
  });
}
