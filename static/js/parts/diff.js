// What a change did, field by field.

import { exactTime, h, sentence } from '../main.js';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

function flatten(value, prefix = '', into = new Map()) {
  if (!isObject(value)) return into;
  for (const [key, inner] of Object.entries(value)) {
    const path = prefix ? `${prefix}.${key}` : key;
    if (isObject(inner) && Object.keys(inner).length) flatten(inner, path, into);
    else into.set(path, inner);
  }
  return into;
}

function plain(value) {
  if (value === null || value === undefined || value === '') return 'nothing';
  if (typeof value === 'string' && TIME.test(value)) return exactTime(value);
  if (value === true) return 'yes';
  if (value === false) return 'no';
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return value.join(', ') || 'nothing';
  return typeof value === 'object' ? JSON.stringify(value, null, 1) : String(value);
}

function differences(before, after) {
  const old = flatten(before);
  const now = flatten(after);
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((key) => JSON.stringify(old.get(key) ?? null) !== JSON.stringify(now.get(key) ?? null))
    .map((key) => ({ key, before: old.get(key), after: now.get(key), had: old.has(key), has: now.has(key) }));
}

export function diffTable({ before, after }) {
  const changes = differences(before, after);
  if (!changes.length) return h('p', { class: 'muted' }, 'No field changed.');
  return changeTable(changes.map(({ key, ...change }) => ({ label: key.split('.').map(sentence).join(' › '), ...change })));
}

/** Rows that have their labels: `{ label, before, after }`; without `had` or `has`, both are shown. */
export function changeTable(changes) {
  return h(
    'table',
    { class: 'diff', 'aria-label': 'Changed fields' },
    h(
      'tbody',
      {},
      changes.map(({ label, had = true, has = true, ...values }) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, label),
          h(
            'td',
            {},
            had && h('del', {}, h('span', { class: 'visually-hidden' }, 'before: '), plain(values.before)),
            has && h('ins', {}, h('span', { class: 'visually-hidden' }, 'after: '), plain(values.after)),
          ),
        ),
      ),
    ),
  );
}
