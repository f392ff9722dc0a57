// Form fields from a JSON Schema, and their values back as JSON.

import { sentence } from '../main.js';
import { field, fieldError } from './form.js';

const PREFIX = 'data.';
const typeOf = (schema) =>
  [schema.type].flat().find((type) => type && type !== 'null') ?? (schema.enum ? 'string' : 'any');

const asLocal = (iso) => {
  if (!iso) return '';
  const date = new Date(iso);
  return new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
};

function inputFor(schema) {
  const type = typeOf(schema);
  if (type === 'number' || type === 'integer')
    return { type: 'number', step: type === 'integer' ? '1' : 'any', min: schema.minimum, max: schema.maximum };
  if (type === 'string')
    return {
      type: { date: 'date', 'date-time': 'datetime-local', email: 'email', uri: 'url' }[schema.format] ?? 'text',
      maxlength: schema.maxLength,
      ...(schema.format === 'date-time' && { step: '1' }),
    };
  return { type: 'json', rows: 4 };
}

function fieldFor(name, schema, value, required) {
  const label = schema.title ?? sentence(name);
  const common = {
    name: PREFIX + name,
    label,
    pointer: `/data/${name}`,
    hint: schema.description,
    optional: !required,
  };
  if (schema.enum)
    return field({
      ...common,
      type: 'select',
      options: [['', 'Not set'], ...schema.enum.map((item) => [JSON.stringify(item), sentence(item)])],
      value: value === undefined ? '' : JSON.stringify(value),
    });
  if (typeOf(schema) === 'boolean')
    return field({
      ...common,
      type: 'select',
      options: [
        ['', 'Not set'],
        ['true', 'Yes'],
        ['false', 'No'],
      ],
      value: value === undefined || value === null ? '' : String(value),
    });
  const input = inputFor(schema);
  const text =
    input.type === 'json'
      ? value === undefined
        ? ''
        : JSON.stringify(value, null, 2)
      : input.type === 'datetime-local'
        ? asLocal(value)
        : (value ?? '');
  return field({ ...common, ...input, value: text });
}

export function schemaFields(schema, data = {}) {
  const properties = schema?.properties ?? {};
  return Object.entries(properties).map(([name, property]) =>
    fieldFor(name, property, data[name], schema.required?.includes(name)),
  );
}

/** What a new entity starts with: the defaults of the schema. */
export function defaultsOf(schema) {
  const given = Object.entries(schema?.properties ?? {}).filter(([, property]) => property.default !== undefined);
  return Object.fromEntries(given.map(([name, property]) => [name, property.default]));
}

/** Properties that the schema doesn't name, as one JSON text. */
export function restField(schema, data = {}) {
  const known = Object.keys(schema?.properties ?? {});
  const rest = Object.fromEntries(Object.entries(data).filter(([key]) => !known.includes(key)));
  if (schema?.additionalProperties === false || (known.length && !Object.keys(rest).length)) return null;
  return field({
    name: 'rest',
    type: 'json',
    label: known.length ? 'Other properties' : 'Data',
    pointer: '/data',
    hint: 'A JSON object',
    optional: true,
    rows: 6,
    value: Object.keys(rest).length ? JSON.stringify(rest, null, 2) : '',
  });
}

function json(text, pointer) {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw fieldError(pointer, `This is not JSON: ${cause.message}`);
  }
}

function valueOf(name, schema, text) {
  if (text === '') return undefined;
  const type = typeOf(schema);
  if (schema.enum || type === 'boolean') return JSON.parse(text);
  if (type === 'number' || type === 'integer') return Number(text);
  if (type === 'string') return schema.format === 'date-time' ? new Date(text).toISOString() : text;
  return json(text, `/data/${name}`);
}

export function dataOf(schema, values) {
  const data = values.rest?.trim() ? json(values.rest, '/data') : {};
  for (const [name, property] of Object.entries(schema?.properties ?? {})) {
    const value = valueOf(name, property, values[PREFIX + name] ?? '');
    if (value !== undefined) data[name] = value;
  }
  return data;
}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** What turns `before` into `after` as a merge patch, where null takes away. */
export function mergePatch(before = {}, after = {}) {
  const changes = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (JSON.stringify(before[key]) !== JSON.stringify(after[key])) {
      const [old, now] = [before[key], after[key]];
      changes[key] = isObject(old) && isObject(now) ? mergePatch(old, now) : (now ?? null);
    }
  }
  return changes;
}
