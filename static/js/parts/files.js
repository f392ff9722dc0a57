// Files: in words, on their way up, and those of one entity.

import { get, post, upload } from '../api.js';
import { announce, badge, button, bytes, count, h, icon, number, problemNotice, time } from '../main.js';
import { to } from '../router.js';
import { can } from '../session.js';
import { toast } from './toast.js';

/** Files that a section shows; the rest is a click away. */
const SHOWN = 20;

const KINDS = {
  'image/png': 'PNG image',
  'image/jpeg': 'JPEG image',
  'image/gif': 'GIF image',
  'image/webp': 'WebP image',
  'application/pdf': 'PDF document',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'Word document',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'Excel workbook',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'PowerPoint slides',
  'application/vnd.oasis.opendocument.text': 'OpenDocument text',
  'application/vnd.oasis.opendocument.spreadsheet': 'OpenDocument sheet',
  'application/vnd.oasis.opendocument.presentation': 'OpenDocument slides',
  'application/zip': 'Zip archive',
  'application/gzip': 'Gzip archive',
  'audio/mpeg': 'MP3 sound',
  'video/mp4': 'MP4 film',
  'text/plain': 'Text',
  'text/csv': 'CSV table',
  'text/markdown': 'Markdown text',
  'application/json': 'JSON data',
};

export const kindOf = ({ content_type: type }) => KINDS[type] ?? type;

export function stateOf({ state, deleted_at: deleted }) {
  if (deleted) return badge('Deleted');
  if (state === 'processing') return badge('Being looked into', 'caution');
  return state === 'failed' ? badge('Damaged', 'danger') : badge('Ready', 'good');
}

/** What the job found in it, as words. */
export function holds({ details = {} }) {
  const { width, height, pages, lines, words, rows, columns, entries, unpacked_bytes: unpacked } = details;
  return [
    width && `${number(width)} × ${number(height)} pixels`,
    pages && count(pages, 'page'),
    lines !== undefined && count(lines, 'line'),
    words !== undefined && count(words, 'word'),
    rows !== undefined && count(rows, 'row'),
    columns !== undefined && count(columns, 'column'),
    entries !== undefined && count(entries, 'entry', 'entries'),
    unpacked !== undefined && `${bytes(unpacked)} unpacked`,
  ]
    .filter(Boolean)
    .join(', ');
}

export const contentOf = ({ id }) => `/api/v1/files/${id}/content`;

export const download = (file, tone = '') =>
  h('a', { class: `button ${tone}`, href: contentOf(file), download: file.name }, icon('download'), 'Download');

/** Sends files one after the other; what was refused is told and the others go on. */
export async function sendFiles(files, { place, entity, sent }) {
  let done = 0;
  const refused = [];
  for (const file of files) {
    const bar = h('progress', { class: 'progress', max: 1, value: 0, 'aria-label': `Sending ${file.name}` });
    const words = h('p', { class: 'muted', role: 'status' }, `Sending ${file.name}, ${bytes(file.size)}…`);
    place.replaceChildren(h('div', { class: 'card-body stack' }, words, bar));
    const form = new FormData();
    if (entity) form.append('entity_id', entity);
    form.append('file', file);
    try {
      await upload('/files', {
        file: form,
        onProgress: (part) => {
          bar.value = part;
          if (part < 1) return;
          bar.removeAttribute('value');
          words.textContent = 'Sent. The server is checking it…';
        },
      });
      done += 1;
      sent();
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      problem.message = `${file.name}: ${problem.message}`;
      refused.push(problemNotice(problem));
    }
  }
  place.replaceChildren(...(refused.length ? [h('div', { class: 'card-body stack' }, refused)] : []));
  const told = done === 1 ? `${files[0].name} was uploaded.` : `${count(done, 'file')} were uploaded.`;
  if (done) toast(files.length === 1 || done > 1 ? told : `${count(done, 'file')} was uploaded.`);
  else announce('Nothing was uploaded.');
}

/** A button that asks for files and sends them. */
export function uploader(options, tone = 'primary') {
  const input = h('input', {
    type: 'file',
    multiple: true,
    class: 'visually-hidden',
    tabindex: '-1',
    'aria-label': 'Files to upload',
  });
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = '';
    if (files.length) sendFiles(files, options);
  });
  const choose = button('Upload files', { glyph: 'upload', tone, onclick: () => input.click() });
  return h('span', {}, choose, input);
}

export async function restoreFile(file) {
  await post(`/files/${file.id}/restore`);
  toast(`${file.name} is back.`);
}

/** The files of an entity, with a way to add some. */
export function filesSection(entity, { editable }) {
  if (!can('files', 'read')) return '';
  const list = h('div', { class: 'stack' }, h('p', { class: 'muted' }, 'Loading…'));
  const place = h('div', {});
  const row = (file) =>
    h(
      'li',
      { class: 'row' },
      h('a', { href: to('files', { open: file.id }), class: 'break' }, file.name),
      h('span', { class: 'muted small' }, `${kindOf(file)}, ${bytes(file.size)}, `, time(file.created_at)),
      download(file, 'small'),
    );
  async function load() {
    try {
      const { items, total } = await get('/files', { entity_id: entity.id, limit: SHOWN, count: true });
      list.replaceChildren(
        items.length ? h('ul', { class: 'stack' }, items.map(row)) : h('p', { class: 'muted' }, 'No files yet.'),
        total > SHOWN ? h('a', { href: to('files', { entity: entity.id }) }, `All ${count(total, 'file')}`) : '',
      );
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      list.replaceChildren(problemNotice(problem, load));
    }
  }
  load();
  const add =
    editable && can('files', 'create') && uploader({ place, entity: entity.id, sent: load }, 'small');
  return h('div', { class: 'section' }, h('h3', {}, 'Files'), list, place, add);
}
