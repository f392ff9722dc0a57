// How far the indexes of a type and the migration of its entities are, followed until they are done.

import { get, segment } from '../api.js';
import { h, notice, number } from '../main.js';
import { isUnderWay } from '../pages/entity-types.js';

const LOOK_AGAIN_MS = 1000;

const bar = (label, value, max) =>
  h('progress', { class: 'progress', value, max: Math.max(max, 1), 'aria-label': label });

function shown({ indexing, migration }) {
  const pieces = [];
  if (migration) {
    const words = `${number(migration.done)} of ${number(migration.total)} entities`;
    pieces.push(
      h('p', { class: 'strong' }, `The entities are being migrated: ${migration.percent} %`),
      h('p', {}, `${words}. Until all are done they can be read and not written, and the type stays as it is.`),
      bar(`Migration: ${words}`, migration.done, migration.total),
    );
  }
  if (Number.isInteger(indexing)) {
    pieces.push(
      h('p', { class: 'strong' }, `The indexes are being made: ${indexing} %`),
      h('p', {}, 'Until they are whole, whoever asks is answered without them.'),
      bar('Indexes', indexing, 100),
    );
  }
  return pieces;
}

/** A notice that says how far a type is, and goes when it is done; `ended` hears of a migration's end. */
export function progressNotice(type, ended) {
  const place = h('div', { class: 'progress-notice', role: 'status' });
  const show = (now) => place.replaceChildren(...(isUnderWay(now) ? [notice('', shown(now))] : []));

  async function look() {
    if (!place.isConnected) return;
    let now;
    try {
      now = await get(`/entity-types/${segment(type.name)}`);
    } catch {
      // What is shown stays; the next look may be answered.
      setTimeout(look, LOOK_AGAIN_MS);
      return;
    }
    if (!place.isConnected) return;
    if (type.migration && !now.migration) ended();
    else {
      show(now);
      if (isUnderWay(now)) setTimeout(look, LOOK_AGAIN_MS);
    }
  }
  show(type);
  if (isUnderWay(type)) setTimeout(look, LOOK_AGAIN_MS);
  return place;
}
