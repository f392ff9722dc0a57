// Brings a file into an entity type: choose, look, send, read what went wrong.

import { get, segment, upload } from '../api.js';
import { pageHead, to } from '../router.js';
import { announce, bytes, count, h, notice, number, problemNotice, sentence } from '../main.js';
import { field, form } from './form.js';
import { table } from './table.js';

const PREVIEW_BYTES = 64 * 1024;
const PREVIEW_ROWS = 5;
const SHOWN_ERRORS = 200;

/** The first rows of a CSV text: quotes, doubled quotes and line breaks inside them. */
function readCsv(text, limit) {
  const rows = [];
  let row = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length && rows.length < limit; i += 1) {
    const char = text[i];
    if (quoted) {
      if (char !== '"') cell += char;
      else if (text[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === ',') {
      row.push(cell);
      cell = '';
    } else if (char === '\n') {
      rows.push([...row, cell.replace(/\r$/, '')]);
      row = [];
      cell = '';
    } else cell += char;
  }
  if ((cell || row.length) && rows.length < limit) rows.push([...row, cell]);
  return rows.filter((cells) => cells.some(Boolean));
}

function readJsonLines(text) {
  const objects = text
    .split('\n')
    .filter(Boolean)
    .slice(0, PREVIEW_ROWS)
    .map((line) => {
      try {
        return JSON.parse(line);
      } catch {
        return {};
      }
    });
  const header = [...new Set(objects.flatMap(Object.keys))];
  return [
    header,
    ...objects.map((object) =>
      header.map((key) => (typeof object[key] === 'object' ? JSON.stringify(object[key]) : String(object[key] ?? ''))),
    ),
  ];
}

async function look(file) {
  const csv = !/\.(jsonl|ndjson)$/i.test(file.name);
  const text = (await file.slice(0, PREVIEW_BYTES).text()).replace(/^\uFEFF/, '');
  const [header = [], ...rows] = csv ? readCsv(text, PREVIEW_ROWS + 1) : readJsonLines(text);
  return { csv, header, rows };
}

function preview({ header, rows }) {
  const columns = header.map((label, i) => ({ label, fit: true, phoneLabel: label, cell: (cells) => cells[i] ?? '' }));
  return h(
    'div',
    { class: 'stack' },
    h('h3', {}, `The first ${count(rows.length, 'row')}`),
    h(
      'div',
      { class: 'card table-scroll', tabindex: '0', role: 'region', 'aria-label': 'Preview' },
      table({ label: 'Preview', columns, items: rows }),
    ),
  );
}

const ERROR_COLUMNS = [
  { label: 'Row', cell: ({ row }) => `Row ${number(row)}` },
  { label: 'Field', phoneLabel: 'Field', cell: ({ pointer }) => (pointer ? pointer.replace(/^\/(data\/)?/, '') : '') },
  { label: 'What is wrong', cell: ({ message }) => message },
];

function outcome({ created = 0, updated = 0, failed = 0, errors = [] }, type, undone) {
  const words = undone
    ? 'Nothing was imported: in one piece means all rows or none.'
    : `${number(created)} created, ${number(updated)} updated, ${number(failed)} failed.`;
  const shownErrors = errors.slice(0, SHOWN_ERRORS);
  return h(
    'div',
    { class: 'stack' },
    notice(
      failed || undone ? 'caution' : 'good',
      h(
        'p',
        { class: 'strong' },
        undone ? `${count(failed || errors.length, 'row')} could not be read` : 'The import is done',
      ),
      h('p', {}, words),
      !undone && h('p', {}, h('a', { href: to(`entities/${type}`) }, `See the ${sentence(type).toLowerCase()}`)),
    ),
    shownErrors.length > 0 &&
      h(
        'div',
        { class: 'card table-scroll' },
        table({ label: 'Errors by row', columns: ERROR_COLUMNS, items: shownErrors }),
      ),
    errors.length > SHOWN_ERRORS && h('p', { class: 'muted' }, `And ${number(errors.length - SHOWN_ERRORS)} more.`),
  );
}

async function send({ type, file, seen, values, result }) {
  const bar = h('progress', { class: 'progress', max: 1, value: 0, 'aria-label': 'Sending the file' });
  const words = h('p', { class: 'muted', role: 'status' }, `Sending ${file.name}…`);
  result.replaceChildren(words, bar);
  const show = (node) => {
    result.replaceChildren(node);
    result.scrollIntoView({ block: 'nearest' });
    announce(node.querySelector('.notice p, p').textContent);
  };
  const query = { mode: values.mode, name_column: values.name_column, upsert_on: values.upsert_on };
  try {
    const answer = await upload(`/entities/${type}/import`, {
      file,
      query,
      type: seen.csv ? 'text/csv' : 'application/x-ndjson',
      onProgress: (part) => {
        bar.value = part;
        if (part < 1) return;
        bar.removeAttribute('value');
        words.textContent = 'Sent. The server is reading the rows…';
      },
    });
    show(outcome(answer, type));
  } catch (problem) {
    if (problem.errors === undefined) throw problem;
    show(
      problem.errors.length && problem.errors[0].row !== undefined
        ? outcome({ ...problem.body, errors: problem.errors }, type, true)
        : problemNotice(problem),
    );
  }
}

/** The fields of the type that only one entity may have a value of. */
async function uniqueFields(type) {
  const { fields = {} } = await get(`/entity-types/${segment(type)}`).catch(() => ({}));
  return Object.keys(fields).filter((pointer) => fields[pointer].unique);
}

export function importPage(root, type) {
  const result = h('div', { class: 'stack' });
  const settings = h('div', { class: 'stack' });
  const chooser = field({
    name: 'file',
    type: 'file',
    label: 'File',
    accept: '.csv,.jsonl,.ndjson,text/csv,application/x-ndjson',
    hint: 'CSV with a header line, or JSON Lines. Columns id, name, confidence and owner_id are the fields; every other one goes into data.',
  });
  chooser.addEventListener('change', async ({ target }) => {
    const [file] = target.files;
    result.replaceChildren();
    if (!file) return settings.replaceChildren();
    const [seen, unique] = await Promise.all([look(file), uniqueFields(type)]);
    return settings.replaceChildren(
      h('p', { class: 'muted' }, `${file.name}, ${bytes(file.size)}`),
      preview(seen),
      form({
        submit: 'Import',
        fields: [
          seen.csv &&
            field({
              name: 'name_column',
              label: 'Column with the name',
              type: 'select',
              options: [
                ['', seen.header.includes('name') ? 'name, as in the file' : 'None'],
                ...seen.header.filter((label) => label !== 'name').map((label) => [label, label]),
              ],
            }),
          unique.length > 0 &&
            field({
              name: 'upsert_on',
              label: 'Rows that are there already',
              type: 'select',
              options: [
                ['', 'Are matched by their id'],
                ...unique.map((pointer) => [pointer, `Are matched by ${sentence(pointer.slice(1)).toLowerCase()}`]),
              ],
            }),
          field({
            name: 'mode',
            label: 'When a row is wrong',
            type: 'select',
            options: [
              ['all_or_nothing', 'Import nothing: all rows or none'],
              ['skip_errors', 'Skip that row and go on'],
            ],
          }),
        ].filter(Boolean),
        send: (values) => send({ type, file, seen, values, result }),
      }),
    );
  });
  root.append(
    pageHead({
      title: `Import ${sentence(type).toLowerCase()}`,
      back: { href: to(`entities/${type}`), label: sentence(type) },
    }),
    h('section', { class: 'card' }, h('div', { class: 'card-body stack-loose' }, chooser, settings, result)),
  );
  root.querySelector('h1').focus({ preventScroll: true });
}
