// One entity type: its properties, who may see each, and the whole schema as JSON.

import { get, patch, post, remove, segment } from '../api.js';
import { confirm, recordDrawer } from '../parts/dialog.js';
import { button, copyable, facts, h, icon, number, sentence, time } from '../main.js';
import { field, fieldError, form } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { go, to } from '../router.js';
import { can, CLEARANCES } from '../session.js';

const TYPES = [
  ['string', 'Text'],
  ['number', 'Number'],
  ['integer', 'Whole number'],
  ['boolean', 'Yes or no'],
  ['date', 'Date'],
  ['date-time', 'Date and time'],
  ['array', 'List'],
  ['object', 'Object'],
];
const mayChange = () => can('entity_types', 'update');

function kindOf(schema) {
  if (['date', 'date-time'].includes(schema.format)) return schema.format;
  return [schema.type].flat().find((type) => type && type !== 'null') ?? 'string';
}

/** The chosen kind over what the property already says (enum, limits), unless the kind changed. */
function propertySchema(kind, old) {
  if (old && kindOf(old) === kind) return old;
  return ['date', 'date-time'].includes(kind) ? { type: 'string', format: kind } : { type: kind };
}

const options = (list, value) => list.map(([key, text]) => h('option', { value: key, selected: key === value }, text));

function propertyRow(name, schema, required, sensitivity, editable) {
  const label = name || 'new property';
  const row = h(
    'tr',
    { 'data-property': '' },
    h(
      'td',
      {},
      h('input', {
        class: 'input',
        'data-part': 'name',
        value: name,
        'aria-label': `Name of ${label}`,
        disabled: !editable,
        spellcheck: 'false',
      }),
    ),
    h(
      'td',
      {},
      h(
        'select',
        { class: 'select', 'data-part': 'kind', 'aria-label': `Type of ${label}`, disabled: !editable },
        options(TYPES, kindOf(schema)),
      ),
    ),
    h(
      'td',
      {},
      h(
        'select',
        { class: 'select', 'data-part': 'sensitivity', 'aria-label': `Sensitivity of ${label}`, disabled: !editable },
        options(CLEARANCES, sensitivity),
      ),
    ),
    h(
      'td',
      { 'data-label': 'Required' },
      h('input', {
        type: 'checkbox',
        'data-part': 'required',
        checked: required,
        'aria-label': `${label} is required`,
        disabled: !editable,
      }),
    ),
    h(
      'td',
      {},
      editable &&
        h(
          'button',
          {
            class: 'button quiet icon-only',
            type: 'button',
            'aria-label': `Take ${label} away`,
            onclick: () => {
              const body = row.parentNode;
              row.remove();
              body.dispatchEvent(new Event('change'));
            },
          },
          icon('close'),
        ),
    ),
  );
  row.schema = schema;
  return row;
}

function rowsOf(schema, fields, editable) {
  return Object.entries(schema.properties ?? {}).map(([name, property]) =>
    propertyRow(
      name,
      property,
      schema.required?.includes(name),
      fields[`/${name}`]?.sensitivity ?? 'internal',
      editable,
    ),
  );
}

/** Properties as a table beside the whole schema as JSON; whichever was touched last counts. */
function schemaEditor(type, editable) {
  let schema = structuredClone(type?.schema ?? { type: 'object', properties: {} });
  const fields = type?.fields ?? {};
  const body = h('tbody', { onchange: fromTable }, rowsOf(schema, fields, editable));
  const json = field({
    name: 'schema',
    type: 'json',
    rows: 16,
    label: 'The whole schema (JSON Schema 2020-12)',
    value: JSON.stringify(schema, null, 2),
    readonly: !editable,
    onchange: fromJson,
  });
  const node = h(
    'div',
    { class: 'stack' },
    h(
      'div',
      { class: 'table-scroll' },
      h(
        'table',
        { class: 'table properties', 'aria-label': 'Properties' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ['Property', 'Type', 'Seen by', 'Required', ''].map((text) =>
              h('th', { scope: 'col' }, text || h('span', { class: 'visually-hidden' }, 'Remove')),
            ),
          ),
        ),
        body,
      ),
    ),
    editable &&
      h(
        'div',
        {},
        button('Add a property', {
          glyph: 'plus',
          onclick: () => {
            body.append(propertyRow('', { type: 'string' }, false, 'internal', true));
            body.lastChild.querySelector('input').focus();
          },
        }),
      ),
    h('details', {}, h('summary', {}, 'Schema as JSON'), json),
  );

  const part = (row, name) => row.querySelector(`[data-part="${name}"]`);
  const rows = () => [...body.querySelectorAll('[data-property]')].filter((row) => part(row, 'name').value.trim());

  function fromTable() {
    const properties = {};
    for (const row of rows())
      properties[part(row, 'name').value.trim()] = propertySchema(part(row, 'kind').value, row.schema);
    schema = {
      ...schema,
      properties,
      required: rows()
        .filter((row) => part(row, 'required').checked)
        .map((row) => part(row, 'name').value.trim()),
    };
    if (!schema.required.length) delete schema.required;
    json.querySelector('textarea').value = JSON.stringify(schema, null, 2);
  }

  function fromJson(event) {
    try {
      schema = JSON.parse(event.target.value);
      body.replaceChildren(...rowsOf(schema, value().fields, editable));
    } catch {
      /* Said when it is sent. */
    }
  }

  function value() {
    const names = rows().map((row) => part(row, 'name').value.trim());
    const gone = Object.keys(type?.schema?.properties ?? {}).filter((name) => !names.includes(name));
    const marked = Object.fromEntries(
      Object.entries(fields).filter(([pointer]) => !gone.includes(pointer.split('/')[1])),
    );
    for (const row of body.querySelectorAll('[data-property]')) {
      const pointer = `/${part(row, 'name').value.trim()}`;
      if (pointer !== '/') marked[pointer] = { ...marked[pointer], sensitivity: part(row, 'sensitivity').value };
    }
    return { fields: marked };
  }

  function read() {
    fromTableIfRowsChanged();
    try {
      JSON.parse(json.querySelector('textarea').value);
    } catch (cause) {
      throw fieldError('/schema', `This is not JSON: ${cause.message}`);
    }
    return { schema: JSON.parse(json.querySelector('textarea').value), ...value() };
  }

  function fromTableIfRowsChanged() {
    if (
      JSON.stringify(rows().map((row) => part(row, 'name').value.trim())) !==
      JSON.stringify(Object.keys(schema.properties ?? {}))
    )
      fromTable();
  }
  return { node, read };
}

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
      h('div', { class: 'field' }, h('p', { class: 'label' }, 'Properties'), editor.node),
    ].filter(Boolean),
    send: async ({ name, alias }) => {
      if (!type && !/^[a-z][a-z0-9_]{0,62}$/.test(name))
        throw fieldError('/name', 'Begin with a small letter; then small letters, digits and _.');
      await send({
        ...(type ? {} : { name }),
        ...((alias || type?.alias) && { alias: alias || null }),
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
    h(
      'a',
      { class: 'button', href: to('audit', { target_type: 'entity_type', target_id: type.name }) },
      icon('list'),
      'Audit',
    ),
    h('a', { class: 'button', href: to(`entities/${type.name}`) }, 'Entities'),
  ].filter(Boolean);
  drawer.setFoot(...actions);
  drawer.body.replaceChildren(
    facts([
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
