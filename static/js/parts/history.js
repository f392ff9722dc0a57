// The versions of an entity: what each changed, and the way back.

import { get, post, segment } from '../api.js';
import { button, h, problemNotice, sentence, time } from '../main.js';
import { to } from '../router.js';
import { can, session } from '../session.js';
import { confirm } from './dialog.js';
import { diffTable } from './diff.js';
import { toast } from './toast.js';

const WORDS = {
  created: 'Created',
  updated: 'Changed',
  deleted: 'Deleted',
  restored: 'Restored after deletion',
  migrated: 'Migrated with its type',
  reverted: 'Put back to an earlier version',
};

function who(by) {
  if (!by) return null;
  if (by === session.user.id) return h('span', {}, 'by you');
  return can('users', 'read') && h('a', { href: to('users', { open: by }) }, 'Show who');
}

function putBack({ type, entity, changed }, version, drawer) {
  return confirm({
    title: `Restore version ${version} of ${entity.name || 'this entity'}?`,
    text: 'Its content becomes a new version; the versions in between stay in the history. Fields that you may not see stay as they are.',
    verb: 'Restore this version',
    danger: false,
    work: async () => {
      await post(`/entities/${type}/${entity.id}/history/${version}/restore`);
      changed();
      toast(`Version ${version} is back.`);
      drawer.reload();
    },
  });
}

function item(context, { version, at, by, action, changes }, drawer) {
  const { type, entity } = context;
  const restorable = version !== entity.version && !entity.deleted_at && can(`entities.${type}`, 'update');
  return h(
    'li',
    { class: 'stack' },
    h(
      'div',
      { class: 'row' },
      h('p', { class: 'strong grow' }, `Version ${version}`),
      restorable &&
        button('Restore', {
          tone: 'small',
          'aria-label': `Restore version ${version}`,
          onclick: () => putBack(context, version, drawer),
        }),
    ),
    h('div', { class: 'row muted small' }, h('span', {}, WORDS[action] ?? sentence(action)), time(at), who(by)),
    diffTable(changes),
  );
}

/** A section that is filled when it is opened. */
export function historySection(context, drawer) {
  const path = `/entities/${context.type}/${segment(context.entity.id)}/history`;
  const list = h('ol', { class: 'stack', 'aria-label': 'Versions' });
  const more = h('div', {});
  async function load(cursor) {
    more.replaceChildren(h('p', { class: 'muted late' }, 'Loading…'));
    try {
      const page = await get(path, { limit: 10, cursor });
      list.append(...page.items.map((version) => item(context, version, drawer)));
      const next = page.next_cursor;
      more.replaceChildren(next ? button('Older versions', { onclick: () => load(next) }) : '');
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      more.replaceChildren(problemNotice(problem, () => load(cursor)));
    }
  }
  const opened = async (section) => {
    if (!list.children.length) await load();
    section.scrollIntoView({ block: 'start' });
  };
  return h(
    'details',
    { class: 'section', ontoggle: ({ target }) => target.open && opened(target) },
    h('summary', {}, 'History'),
    list,
    more,
  );
}
