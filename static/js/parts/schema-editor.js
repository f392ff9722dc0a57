// Properties as a list with their marks beside the whole schema as JSON; whichever was touched last counts.

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

/** What a property can be marked as: its part, its word, its name to those who cannot see it, and what it does. */
const MARKS = [
  ['required', 'Required', 'is required', 'Every entity must have it'],
  ['unique', 'Unique', 'is unique', 'Only one entity may have a value'],
  ['index', 'Indexed', 'is indexed', 'Filters and sorts find it at once'],
  ['searched', 'Searched', 'is searched', 'The search index holds its words'],
  ['pii', 'Personal', 'is personal', 'Sealed under the entity’s own key, and destroyed when it is erased'],
];

const SEARCHED = 10;

export const pointerOf = (name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
const firstOf = (pointer) => pointer.split('/')[1].replaceAll('~1', '/').replaceAll('~0', '~');
const below = (pointer) => pointer.slice(1).replace(/^[^/]*/, '');

export function kindOf(schema) {
  if (['date', 'date-time'].includes(schema.format)) return schema.format;
  return [schema.type].flat().find((type) => type && type !== 'null') ?? 'string';
}

/** The chosen kind over what the property already says (enum, limits), unless the kind changed. */
function propertySchema(kind, old) {
  if (old && kindOf(old) === kind) return old;
  return ['date', 'date-time'].includes(kind) ? { type: 'string', format: kind } : { type: kind };
}

const part = (row, name) => row.querySelector(`[data-part="${name}"]`);
const nameOf = (row) => part(row, 'name').value.trim();
const rowsIn = (list) => [...list.querySelectorAll('[data-property]')].filter(nameOf);
const pretty = (schema) => JSON.stringify(schema, null, 2);

function choice(name, label, list, value, disabled) {
  const options = list.map(([key, text]) => h('option', { value: key, selected: key === value }, text));
  return h('select', { class: 'select', 'data-part': name, 'aria-label': label, disabled }, options);
}

const markBox = (label, marks, disabled) => ([name, word, spoken, hint]) =>
  h(
    'label',
    { class: 'check small', title: hint },
    h('input', {
      type: 'checkbox',
      'data-part': name,
      checked: Boolean(marks[name]),
      'aria-label': `${label} ${spoken}`,
      disabled,
    }),
    word,
  );

/** What is sealed is not searched, and what is no single value has no index. */
function settle(row) {
  const bar = (name, barred) => {
    const box = part(row, name);
    box.disabled = barred;
    if (barred) box.checked = false;
  };
  const kind = part(row, 'kind').value;
  bar('searched', kind !== 'string' || part(row, 'pii').checked);
  bar('index', ['array', 'object'].includes(kind));
}

function propertyRow(label, { name, was, schema, sensitivity, marks, editable }) {
  const off = !editable;
  const takeAway = () => {
    const list = row.parentNode;
    row.remove();
    list.dispatchEvent(new Event('change', { bubbles: true }));
  };
  const row = h(
    'li',
    { 'data-property': '', 'data-pointer': `/fields/${pointerOf(pointerOf(name)).slice(1)}` },
    h('input', {
      class: 'input',
      'data-part': 'name',
      value: name,
      'aria-label': `Name of ${label}`,
      disabled: off,
      spellcheck: 'false',
    }),
    choice('kind', `Type of ${label}`, TYPES, kindOf(schema), off),
    choice('sensitivity', `Sensitivity of ${label}`, CLEARANCES, sensitivity, off),
    h('div', { class: 'marks' }, MARKS.map(markBox(label, marks, off))),
    editable &&
      h(
        'button',
        { class: 'button quiet icon-only away', type: 'button', 'aria-label': `Take ${label} away`, onclick: takeAway },
        icon('close'),
      ),
    h('p', { class: 'error', hidden: true }),
  );
  row.schema = schema;
  row.was = was;
  if (editable) settle(row);
  return row;
}

/** Where something said of a property lies once properties were renamed or taken away; null when that is gone. */
function follow(list, type) {
  const rows = rowsIn(list);
  const renamed = new Map(rows.filter(({ was }) => was).map((row) => [row.was, nameOf(row)]));
  const known = type?.schema?.properties ?? {};
  return (pointer) => {
    const name = firstOf(pointer);
    if (renamed.has(name)) return pointerOf(renamed.get(name)) + below(pointer);
    return name in known ? null : pointer;
  };
}

const ORDER = CLEARANCES.map(([level]) => level);
const protects = ({ sensitivity, pii }) => pii || ORDER.indexOf(sensitivity) > ORDER.indexOf('internal');

/** The marks of the fields. Those that protect stay where a property went, since what is stored may hold it still. */
function fieldsFrom(list, type) {
  const where = follow(list, type);
  const said = Object.entries(type?.fields ?? {});
  const left = said.filter(([pointer, options]) => where(pointer) !== pointer && protects(options));
  const marked = Object.fromEntries(left.map(([pointer, { sensitivity, pii }]) => [pointer, { sensitivity, pii }]));
  for (const [pointer, options] of said) if (where(pointer)) marked[where(pointer)] = options;
  for (const row of rowsIn(list)) {
    const pointer = pointerOf(nameOf(row));
    const { index, unique, pii } = Object.fromEntries(MARKS.map(([name]) => [name, part(row, name).checked]));
    marked[pointer] = { ...marked[pointer], sensitivity: part(row, 'sensitivity').value, unique, pii, index };
  }
  return marked;
}

/** Pointers that a type lists, such as those that its search looks into, but for those that have a box here. */
function deeper(pointers, list, type) {
  const names = rowsIn(list).map(nameOf);
  const boxed = (pointer) => !below(pointer) && names.includes(firstOf(pointer));
  return pointers.map(follow(list, type)).filter((pointer) => pointer && !boxed(pointer));
}

const ticked = (list, name) => rowsIn(list).filter((row) => part(row, name).checked);

/** `schema` with the properties as the list has them. */
function schemaFrom(list, schema) {
  const rows = rowsIn(list);
  const properties = rows.map((row) => [nameOf(row), propertySchema(part(row, 'kind').value, row.schema)]);
  const required = ticked(list, 'required').map(nameOf);
  const { required: _, ...rest } = schema;
  return { ...rest, properties: Object.fromEntries(properties), ...(required.length && { required }) };
}

/** What is said of the property `name`, as a type or this editor has it. */
function marksOf(name, { fields, search, indexes }) {
  const pointer = pointerOf(name);
  const { sensitivity = 'internal', unique = false, pii = false, index = false } = fields?.[pointer] ?? {};
  const listed = (pointers) => Boolean(pointers?.includes(pointer));
  return { sensitivity, unique, pii, index: index || listed(indexes), searched: listed(search) };
}

function rowsOf(schema, said, origin, editable) {
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const { sensitivity, ...marked } = marksOf(name, said);
    const marks = { ...marked, required: schema.required?.includes(name) };
    return propertyRow(name, { name, was: origin(name), schema: property, sensitivity, marks, editable });
  });
}

/** Whether anything else is said of a property than the type says, under whatever name. */
function isMarkedAnew(row, type) {
  const before = row.was ? marksOf(row.was, type) : marksOf('', {});
  const { sensitivity, ...marks } = before;
  return part(row, 'sensitivity').value !== sensitivity || Object.keys(marks).some((name) => part(row, name).checked !== marks[name]); // prettier-ignore
}

/** What became of the properties that the type has: under another name, gone, of another kind. */
function changesOf(list, type) {
  const known = type?.schema?.properties ?? {};
  const rows = rowsIn(list);
  const of = (row) => ({ name: nameOf(row), was: row.was, kind: part(row, 'kind').value });
  const kept = rows.filter(({ was }) => was).map(of);
  return {
    renamed: kept.filter(({ name, was }) => name !== was),
    gone: Object.keys(known).filter((name) => !kept.some(({ was }) => was === name)),
    changed: kept.filter(({ was, kind }) => kindOf(known[was]) !== kind),
    added: rows.filter(({ was }) => !was).map(of),
    required: ticked(list, 'required').map(of),
  };
}

function addButton(list) {
  const add = () => {
    const label = `property ${list.children.length + 1}`;
    const blank = { name: '', schema: { type: 'string' }, sensitivity: 'internal', marks: {}, editable: true };
    list.append(propertyRow(label, blank));
    list.lastChild.querySelector('input').focus();
  };
  return h('div', {}, button('Add a property', { glyph: 'plus', onclick: add }));
}

const heading = () =>
  h('div', { class: 'properties-head', 'aria-hidden': 'true' }, ['Property', 'Type', 'Seen by'].map((word) => h('span', {}, word))); // prettier-ignore

/**
 * Answers the editor's `node`; `read()`, which gives `{ schema, fields, indexes }`; `searched()`, the pointers that a
 * search looks into, and `search(on)`, which ticks or unticks them; `marked()`, whether marks were changed;
 * `changes()`, what became of the properties; `reveal()`, which opens the JSON.
 */
export function schemaEditor(type, editable) {
  let schema = type?.schema ?? { type: 'object', properties: {} };
  const known = schema.properties ?? {};
  const origin = (name) => (type && name in known ? name : undefined);
  const list = h('ul', { class: 'properties', 'aria-label': 'Properties' });
  list.append(...rowsOf(schema, type ?? {}, origin, editable));
  const label = 'The whole schema (JSON Schema 2020-12)';
  const json = field({ name: 'schema', type: 'json', rows: 16, label, value: pretty(schema), readonly: !editable });
  const text = json.querySelector('textarea');
  const details = h('details', {}, h('summary', {}, 'Schema as JSON'), json);
  const rows = h('div', {}, heading(), list);
  const node = h('div', { class: 'stack' }, rows, editable && addButton(list), details);

  list.addEventListener('change', ({ target }) => {
    const row = target.closest?.('[data-property]');
    if (row) settle(row);
    schema = schemaFrom(list, schema);
    text.value = pretty(schema);
  });
  text.addEventListener('change', () => {
    try {
      schema = JSON.parse(text.value);
    } catch {
      // Said when it is sent.
      return;
    }
    const before = new Map(rowsIn(list).map((row) => [nameOf(row), row.was]));
    const said = { fields: fieldsFrom(list, type), search: searched() };
    const from = (name) => (before.has(name) ? before.get(name) : origin(name));
    list.replaceChildren(...rowsOf(schema, said, from, editable));
  });

  function searched() {
    const here = ticked(list, 'searched').map((row) => pointerOf(nameOf(row)));
    return [...here, ...deeper(type?.search ?? [], list, type)];
  }

  function search(on) {
    for (const row of rowsIn(list)) part(row, 'searched').checked = false;
    const open = rowsIn(list).filter((row) => !part(row, 'searched').disabled && !row.schema.enum);
    if (on) for (const row of open.slice(0, SEARCHED)) part(row, 'searched').checked = true;
  }

  function read() {
    for (const row of rowsIn(list)) row.dataset.pointer = `/fields/${pointerOf(pointerOf(nameOf(row))).slice(1)}`;
    const marks = { fields: fieldsFrom(list, type), ...(type && { indexes: deeper(type.indexes ?? [], list, type) }) };
    try {
      return { schema: JSON.parse(text.value), ...marks };
    } catch (cause) {
      reveal();
      throw fieldError('/schema', `This is not JSON: ${cause.message}`);
    }
  }
  const reveal = () => {
    details.open = true;
  };
  const marked = () => rowsIn(list).some((row) => isMarkedAnew(row, type));
  return { node, read, reveal, searched, search, marked, changes: () => changesOf(list, type) };
}
