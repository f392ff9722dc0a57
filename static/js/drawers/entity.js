// One entity: make, see, change, delete.

import { get, patch, post, remove, request, segment } from '../api.js';
import { confirm, recordDrawer } from '../parts/dialog.js';
import { button, copyable, facts, h, notice, sentence, time } from '../main.js';
import { filesSection } from '../parts/files.js';
import { field, form } from '../parts/form.js';
import { historySection } from '../parts/history.js';
import { personalSection } from '../parts/personal.js';
import { dataOf, defaultsOf, mergePatch, restField, schemaFields } from '../parts/schema-form.js';
import { toast } from '../parts/toast.js';
import { shown } from '../pages/entities.js';
import { auditLink, to } from '../router.js';
import { can } from '../session.js';

const nameOf = (entity) => entity.name || 'this entity';

function fieldsFor(schema, entity = {}) {
  return [
    field({ name: 'name', label: 'Name', value: entity.name ?? '', autocomplete: 'off' }),
    ...schemaFields(schema, entity.data),
    restField(schema, entity.data),
    field({
      name: 'confidence',
      label: 'Confidence',
      type: 'number',
      min: 0,
      max: 1,
      step: 'any',
      value: entity.confidence ?? '',
      optional: true,
      hint: 'From 0 to 1',
    }),
  ].filter(Boolean);
}

const confidenceOf = (values) => (values.confidence === '' ? undefined : Number(values.confidence));

function newEntity(drawer, type, schema, changed) {
  drawer.body.replaceChildren(
    form({
      submit: 'Create',
      drawer,
      fields: fieldsFor(schema, { data: defaultsOf(schema) }),
      send: async (values) => {
        const entity = await post(`/entities/${type}`, {
          ...(values.name && { name: values.name }),
          data: dataOf(schema, values),
          ...(values.confidence !== '' && { confidence: confidenceOf(values) }),
        });
        drawer.close();
        changed();
        toast(`${entity.name || 'The entity'} was created.`);
      },
    }),
  );
  drawer.body.querySelector('input').focus();
}

function changesOf(entity, schema, values) {
  const before = { name: entity.name || undefined, confidence: entity.confidence ?? undefined };
  const changes = mergePatch(before, { name: values.name || undefined, confidence: confidenceOf(values) });
  const data = mergePatch(entity.data, dataOf(schema, values));
  return Object.keys(data).length ? { ...changes, data } : changes;
}

function editForm(drawer, { type, schema, entity, etag, changed }, actions) {
  const place = h('div', {});
  return form({
    submit: 'Save',
    drawer,
    actions,
    fields: [...fieldsFor(schema, entity), place],
    send: async (values) => {
      const body = changesOf(entity, schema, values);
      if (!Object.keys(body).length) return toast('Nothing was changed.');
      try {
        await patch(`/entities/${type}/${entity.id}`, body, {
          type: 'application/merge-patch+json',
          headers: etag ? { 'If-Match': etag } : {},
        });
      } catch (problem) {
        if (problem.status !== 412) throw problem;
        const again = button('Load what it is now', { tone: 'small', onclick: drawer.reload });
        place.replaceChildren(
          notice(
            'caution',
            h('p', { class: 'strong' }, 'Someone changed it meanwhile.'),
            h('p', {}, 'Nothing was saved, so that their change is not lost.'),
            h('div', { class: 'row' }, again),
          ),
        );
        again.focus();
        return undefined;
      }
      toast('Saved.');
      changed();
      return drawer.reload();
    },
  });
}

function readOnly(entity) {
  return facts([
    ...Object.entries(entity.data ?? {}).map(([key, value]) => [
      sentence(key),
      value !== null && typeof value === 'object' ? h('code', {}, JSON.stringify(value)) : shown(value),
    ]),
    ['Confidence', entity.confidence],
  ]);
}

function deleteEntity({ type, entity, changed }, drawer) {
  const restore = async () => {
    await post(`/entities/${type}/${entity.id}/restore`);
    changed();
    toast(`${entity.name || 'The entity'} is back.`);
  };
  return confirm({
    title: `Delete ${nameOf(entity)}?`,
    text: 'It disappears from every list. You can restore it later from the deleted entities.',
    verb: 'Delete',
    work: async () => {
      await remove(`/entities/${type}/${entity.id}`);
      drawer.close();
      changed();
      toast(`${entity.name || 'The entity'} was deleted.`, { undo: restore });
    },
  });
}

function actionsFor(context, drawer) {
  const { type, entity, changed } = context;
  const mayDelete = can(`entities.${type}`, 'delete');
  const restore = async () => {
    await post(`/entities/${type}/${entity.id}/restore`);
    changed();
    toast('Restored.');
    drawer.reload();
  };
  return [
    mayDelete &&
      !entity.deleted_at &&
      button('Delete', { tone: 'danger-quiet start', onclick: () => deleteEntity(context, drawer) }),
    auditLink({ target_id: entity.id }),
    mayDelete && entity.deleted_at && button('Restore', { tone: 'primary', onclick: restore }),
  ].filter(Boolean);
}

async function existingEntity(drawer, context) {
  const { type, id } = context;
  const { body: entity, etag } = await request('GET', `/entities/${type}/${segment(id)}`, {
    query: { deleted: 'include' },
  });
  const full = { ...context, entity, etag };
  drawer.setTitle(nameOf(entity));
  const editable = can(`entities.${type}`, 'update') && !entity.deleted_at;
  const actions = actionsFor(full, drawer);
  drawer.setFoot(...actions);
  drawer.body.replaceChildren(
    editable ? editForm(drawer, full, actions) : readOnly(entity),
    h(
      'div',
      { class: 'section' },
      h('h3', {}, 'Record'),
      facts([
        ['Created', time(entity.created_at, { full: true })],
        ['Updated', time(entity.updated_at, { full: true })],
        ['Version', entity.version],
        ['Deleted', entity.deleted_at && time(entity.deleted_at, { full: true })],
        ['Owner', entity.owner_id && h('a', { href: to('users', { open: entity.owner_id }) }, 'Show the owner')],
        ['Id', copyable(entity.id, 'Copy the id')],
      ]),
    ),
    filesSection(entity, { editable }),
    personalSection(
      {
        kind: 'entity',
        id: entity.id,
        path: `/entities/${type}/${entity.id}`,
        name: nameOf(entity),
        proof: entity.name || type,
        after: () => {
          context.changed();
          drawer.reload();
        },
      },
      { mayExport: can(`entities.${type}`, 'export'), mayForget: can(`entities.${type}`, 'delete') },
    ),
    historySection(full, drawer),
  );
}

export function entityDrawer(type, id, { changed, closed }) {
  return recordDrawer({
    title: id === 'new' ? 'New entity' : 'Entity',
    closed,
    load: async (drawer) => {
      const { schema } = await get(`/entity-types/${segment(type)}`).catch(() => ({}));
      if (id === 'new') return newEntity(drawer, type, schema, changed);
      return existingEntity(drawer, { type, id, schema, changed });
    },
  });
}
