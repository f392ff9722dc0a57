// Properties as a table beside the whole schema as JSON; whichever was touched last counts.

import { button, h, icon } from '../main.js';
import { CLEARANCES } from '../session.js';
import { field, fieldError } from './form.js';

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

function propertyRow(label, { name, schema, required, unique, sensitivity, editable }) {
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
      { 'data-label': 'Unique' },
      h('input', {
        type: 'checkbox',
        'data-part': 'unique',
        checked: unique,
        'aria-label': `${label} is unique`,
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
    propertyRow(name, {
      name,
      schema: property,
      required: schema.required?.includes(name),
      unique: fields[`/${name}`]?.unique ?? false,
      sensitivity: fields[`/${name}`]?.sensitivity ?? 'internal',
      editable,
    }),
  );
}

const part = (row, name) => row.querySelector(`[data-part="${name}"]`);
const nameOf = (row) => part(row, 'name').value.trim();
const rowsIn = (body) => [...body.querySelectorAll('[data-property]')].filter(nameOf);
const pretty = (schema) => JSON.stringify(schema, null, 2);

/** `schema` with the properties as the table has them. */
function schemaFrom(body, schema) {
  const rows = rowsIn(body);
  const properties = rows.map((row) => [nameOf(row), propertySchema(part(row, 'kind').value, row.schema)]);
  const required = rows.filter((row) => part(row, 'required').checked).map(nameOf);
  const { required: _, ...rest } = schema;
  return { ...rest, properties: Object.fromEntries(properties), ...(required.length && { required }) };
}

/** The marks of the fields: what was said of properties that are gone goes too. */
function fieldsFrom(body, type) {
  const names = rowsIn(body).map(nameOf);
  const gone = Object.keys(type?.schema?.properties ?? {}).filter((name) => !names.includes(name));
  const kept = Object.entries(type?.fields ?? {}).filter(([pointer]) => !gone.includes(pointer.split('/')[1]));
  const marked = Object.fromEntries(kept);
  for (const row of rowsIn(body)) {
    const pointer = `/${nameOf(row)}`;
    marked[pointer] = {
      ...marked[pointer],
      sensitivity: part(row, 'sensitivity').value,
      unique: part(row, 'unique').checked,
    };
  }
  return marked;
}

function propertyTable(body) {
  const heading = (text) => h('th', { scope: 'col' }, text || h('span', { class: 'visually-hidden' }, 'Remove'));
  const head = h('thead', {}, h('tr', {}, ['Property', 'Type', 'Seen by', 'Required', 'Unique', ''].map(heading)));
  const table = h('table', { class: 'table properties', 'aria-label': 'Properties' }, head, body);
  return h('div', { class: 'table-scroll' }, table);
}

function addButton(body) {
  const add = () => {
    const label = `property ${body.children.length + 1}`;
    const blank = { name: '', schema: { type: 'string' }, required: false, unique: false, sensitivity: 'internal', editable: true };
    body.append(propertyRow(label, blank));
    body.lastChild.querySelector('input').focus();
  };
  return h('div', {}, button('Add a property', { glyph: 'plus', onclick: add }));
}

/** Answers the editor's `node` and `read()`, which gives `{ schema, fields }`. */
export function schemaEditor(type, editable) {
  let schema = type?.schema ?? { type: 'object', properties: {} };
  const body = h('tbody', {}, rowsOf(schema, type?.fields ?? {}, editable));
  const label = 'The whole schema (JSON Schema 2020-12)';
  const json = field({ name: 'schema', type: 'json', rows: 16, label, value: pretty(schema), readonly: !editable });
  const text = json.querySelector('textarea');
  const details = h('details', {}, h('summary', {}, 'Schema as JSON'), json);
  const node = h('div', { class: 'stack' }, propertyTable(body), editable && addButton(body), details);

  body.addEventListener('change', () => {
    schema = schemaFrom(body, schema);
    text.value = pretty(schema);
  });
  text.addEventListener('change', () => {
    try {
      schema = JSON.parse(text.value);
      body.replaceChildren(...rowsOf(schema, fieldsFrom(body, type), editable));
    } catch {
      // Said when it is sent.
    }
  });
  function read() {
    try {
      return { schema: JSON.parse(text.value), fields: fieldsFrom(body, type) };
    } catch (cause) {
      details.open = true;
      throw fieldError('/schema', `This is not JSON: ${cause.message}`);
    }
  }
  return { node, read };
}
