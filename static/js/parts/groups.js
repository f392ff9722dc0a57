// What the entities of a list come to: a table of groups with their bars. The question lives in the address.

import { get, literal } from '../api.js';
import { setQuery, withQuery } from '../router.js';
import { button, emptyState, exactTime, h, labelled, number, problemNotice, sentence, svg } from '../main.js';
import { table } from './table.js';

const MOST = 12;
const MEASURES = { sum: 'Sum', avg: 'Average', min: 'Lowest', max: 'Highest' };
const spoken = (path) => sentence(path.replace(/^data\./, ''));

/** `sum(data.amount)` as a person says it. */
function measured(measure) {
  const [, name, path] = /^(\w+)\((.+)\)$/.exec(measure) ?? [];
  return path ? `${MEASURES[name]} of ${spoken(path).toLowerCase()}` : 'Count';
}

function grouped(group) {
  const [, unit, path] = /^(\w+)\((.+)\)$/.exec(group) ?? [];
  return path ? `${sentence(unit)}, ${spoken(path).toLowerCase()}` : spoken(group);
}

const dataPath = (key) => (/^[A-Za-z_]\w*$/.test(key) ? `data.${key}` : `data.${literal(key)}`);

/** The two questions: by what, and what is measured. `known` are the properties, `numeric` those with numbers. */
export function groupForm({ known, numeric }) {
  const query = new URLSearchParams(location.search);
  const select = (name, options) =>
    h(
      'select',
      { class: 'select', name, value: query.get(name) ?? '' },
      options.map(([value, text]) => h('option', { value }, text)),
    );
  const by = [
    ['', 'Nothing'],
    ...known.map((key) => [dataPath(key), sentence(key)]),
    ['month(created_at)', 'Month they were made'],
    ['day(created_at)', 'Day they were made'],
    ['owner_id', 'Owner'],
  ];
  const measures = [
    ['', 'Count'],
    ...[...numeric.map(dataPath), 'confidence'].flatMap((path) =>
      Object.keys(MEASURES).map((name) => [`${name}(${path})`, measured(`${name}(${path})`)]),
    ),
  ];
  const asked = (options, name) =>
    options.some(([value]) => value === (query.get(name) ?? '')) ? options : [...options, [query.get(name), query.get(name)]];
  return [labelled('Group by', select('group', asked(by, 'group'))), labelled('Measure', select('measure', asked(measures, 'measure')))];
}

function valueOf(value) {
  if (value === null) return h('span', { class: 'faint' }, 'None');
  if (typeof value === 'boolean') return value ? 'Yes' : 'No';
  if (typeof value === 'object') return JSON.stringify(value);
  return /^\d{4}-\d\d-\d\dT/.test(value) ? exactTime(value) : String(value);
}

const amount = (value) =>
  typeof value === 'number'
    ? value.toLocaleString('en', { maximumFractionDigits: 4 })
    : value === null
      ? ''
      : valueOf(value);

function bar(value, top) {
  const width = typeof value === 'number' && value > 0 && top > 0 ? (value / top) * 100 : 0;
  return svg(
    'svg',
    { class: 'bar', viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { x: 0, y: 0, width: width.toFixed(2), height: 8 }),
  );
}

/** A filter for the entities of one group; none where no filter says it. */
function filterOf(group, value) {
  if (group.includes('(') || (typeof value === 'object' && value !== null)) return null;
  return `${group} = ${typeof value === 'string' ? literal(value) : value}`;
}

function rows(answer, group, measure, other) {
  const top = Math.max(...answer.items.map((item) => Number(item[measure]) || 0), 0);
  const columns = [
    { label: grouped(group), fit: true, cell: (item) => valueOf(item[group]) },
    { label: 'Share', phoneOff: true, cell: (item) => bar(item[measure], top) },
    { label: measured(measure), numeric: true, phoneLabel: measured(measure), cell: (item) => amount(item[measure]) },
    measure !== 'count' && {
      label: 'Count',
      numeric: true,
      phoneLabel: 'Count',
      cell: (item) => number(item.count),
    },
  ].filter(Boolean);
  const href = (item) => {
    const own = filterOf(group, item[group]);
    return own && withQuery({ filter: other ? `(${other}) and ${own}` : own, cursor: null });
  };
  return table({ label: `Groups by ${grouped(group).toLowerCase()}`, columns, items: answer.items, rowHref: href });
}

/** Fills `place` with the groups that the address asks for. */
export async function showGroups(place, type, { group, measure = 'count', params, signal }) {
  const heading = h(
    'div',
    { class: 'card-head' },
    h('h2', {}, `${measured(measure)} by ${grouped(group).toLowerCase()}`),
    button('Close', { tone: 'small', glyph: 'close', onclick: () => setQuery({ group: null, measure: null }) }),
  );
  const card = (...content) => h('section', { class: 'card groups', 'aria-label': 'Groups' }, heading, content);
  try {
    const measures = measure === 'count' ? 'count' : `${measure},count`;
    const sort = /^(day|month|year)\(/.test(group) ? `-${group}` : undefined;
    const query = { group_by: group, measures, sort, limit: MOST, filter: params.filter, deleted: params.deleted, q: params.q };
    const answer = await get(`/entities/${type}/aggregate`, query, signal);
    const content = answer.items.length
      ? h('div', { class: 'table-scroll' }, rows(answer, group, measure, params.filter))
      : emptyState({ icon: 'layers', title: 'Nothing to group', text: 'No entity is within this list.' });
    const more = answer.more && h('p', { class: 'card-body small muted' }, `The first ${MOST} groups are shown.`);
    place.replaceChildren(card(content, more || ''));
  } catch (problem) {
    if (problem.name !== 'AbortError') place.replaceChildren(card(h('div', { class: 'card-body' }, problemNotice(problem))));
  }
}
