// One file: see what it is, download, rename, delete, restore.

import { get, patch, remove, request, segment } from '../api.js';
import { button, bytes, copyable, facts, h, notice, time } from '../main.js';
import { attempt, confirm, recordDrawer } from '../parts/dialog.js';
import { download, holds, kindOf, restoreFile, stateOf } from '../parts/files.js';
import { field, form } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { auditLink, to } from '../router.js';
import { can } from '../session.js';

function deleteFile(file, drawer, changed) {
  return confirm({
    title: `Delete ${file.name}?`,
    text: 'It disappears from every list. You can restore it for a while; then its content is removed for good.',
    verb: 'Delete file',
    work: async () => {
      await remove(`/files/${file.id}`);
      drawer.close();
      changed();
      const undo = async () => {
        await restoreFile(file);
        changed();
      };
      toast(`${file.name} was deleted.`, { undo });
    },
  });
}

/** The entity that a file belongs to, by its type's page. */
async function belongsTo(file) {
  if (!file.entity_id || !can('entity_types', 'read')) return file.entity_id && h('code', {}, file.entity_id);
  const { items } = await get('/entity-types', { limit: 200 });
  const filter = `id = "${file.entity_id}"`;
  for (const { name } of items.filter(({ name }) => can(`entities.${name}`, 'read'))) {
    const found = await get(`/entities/${segment(name)}`, { filter, limit: 1 }).catch(() => ({ items: [] }));
    const [entity] = found.items;
    if (entity) return h('a', { href: to(`entities/${name}`, { open: entity.id }) }, entity.name || 'Untitled');
  }
  return h('code', {}, file.entity_id);
}

function known(file, place) {
  return facts([
    ['State', stateOf(file)],
    ['Kind', kindOf(file)],
    ['Size', bytes(file.size)],
    ['Holds', holds(file)],
    ['Belongs to', file.entity_id && place],
    ['Uploaded', time(file.created_at, { full: true })],
    ['Deleted', file.deleted_at && time(file.deleted_at, { full: true })],
    ['Owner', file.owner_id && can('users', 'read') && h('a', { href: to('users', { open: file.owner_id }) }, 'Show the owner')],
    ['SHA-256', copyable(file.sha256, 'Copy the SHA-256')],
    ['Id', copyable(file.id, 'Copy the id')],
  ]);
}

async function show(drawer, id, changed) {
  const { body: file, etag } = await request('GET', `/files/${segment(id)}`, { query: { deleted: 'include' } });
  const failure = h('div', {});
  const restore = ({ currentTarget }) =>
    attempt(currentTarget, failure, async () => {
      await restoreFile(file);
      changed();
      drawer.reload();
    });
  const mayDelete = can('files', 'delete');
  const actions = [
    mayDelete &&
      !file.deleted_at &&
      button('Delete', { tone: 'danger-quiet start', onclick: () => deleteFile(file, drawer, changed) }),
    auditLink({ target_type: 'file', target_id: file.id }),
    file.deleted_at ? mayDelete && button('Restore', { tone: 'primary', onclick: restore }) : download(file),
  ].filter(Boolean);
  const rename = async ({ name }) => {
    await patch(`/files/${file.id}`, { name }, { headers: { 'If-Match': etag } });
    toast('Saved.');
    changed();
    drawer.reload();
  };
  const fields = [field({ name: 'name', label: 'Name', value: file.name, required: true, autocomplete: 'off' })];
  const editable = can('files', 'update') && !file.deleted_at;
  const place = h('span', {}, 'Looking it up…');
  drawer.setTitle(file.name);
  drawer.setFoot(...actions);
  drawer.body.replaceChildren(
    h(
      'div',
      { class: 'stack' },
      file.error && notice('danger', h('p', { class: 'strong' }, 'This file is damaged'), h('p', {}, file.error)),
      known(file, place),
      failure,
    ),
    editable ? h('div', { class: 'section' }, form({ submit: 'Save', drawer, actions, fields, send: rename })) : '',
  );
  if (file.entity_id) place.replaceChildren(await belongsTo(file));
}

export function fileDrawer(id, { changed, closed }) {
  return recordDrawer({ title: 'File', closed, load: (drawer) => show(drawer, id, changed) });
}
