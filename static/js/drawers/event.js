// One audit event: who, when, where, and what it changed.

import { get, segment } from '../api.js';
import { recordDrawer } from '../parts/dialog.js';
import { diffTable } from '../parts/diff.js';
import { copyable, facts, h, sentence, time } from '../main.js';
import { actorName, outcomeBadge, sentenceOf } from '../pages/audit.js';
import { to, withQuery } from '../router.js';
import { can } from '../session.js';

const filterLink = (query, text) => h('a', { href: to('audit', query) }, text);

function targetOf({ target }) {
  if (!target?.type) return null;
  return h(
    'div',
    {},
    h('div', {}, sentence(target.type)),
    target.id && copyable(String(target.id), 'Copy the id of the object'),
    target.id &&
      h('div', {}, filterLink({ target_type: target.type, target_id: target.id }, 'Everything about this object')),
  );
}

export function eventDrawer(seq, { closed }) {
  return recordDrawer({
    title: `Event ${seq}`,
    closed,
    load: async (drawer) => {
      const event = await get(`/audit/${segment(seq)}`);
      drawer.setTitle(sentenceOf(event));
      drawer.body.replaceChildren(
        facts([
          ['Outcome', outcomeBadge(event.outcome)],
          [
            'Who',
            h(
              'span',
              {},
              actorName(event),
              ' ',
              event.actor?.id && filterLink({ actor_id: event.actor.id }, 'Everything they did'),
            ),
          ],
          ['When', time(event.at, { full: true })],
          ['From', event.ip],
          ['Action', filterLink({ action: event.action }, event.action)],
          ['Object', targetOf(event)],
          [
            'Request',
            event.request_id &&
              h(
                'span',
                { class: 'row' },
                copyable(event.request_id, 'Copy the request id'),
                filterLink({ request_id: event.request_id }, 'Same request'),
                event.outcome === 'denied' &&
                  can('decisions', 'read') &&
                  h('a', { href: withQuery({ decision: event.request_id }) }, 'Why was this refused?'),
              ),
          ],
          [
            'Break-glass',
            event.elevation_id && filterLink({ elevation_id: event.elevation_id }, 'Everything under this elevation'),
          ],
        ]),
        h(
          'div',
          { class: 'section' },
          h('h3', {}, 'What changed'),
          event.changes ? diffTable(event.changes) : h('p', { class: 'muted' }, 'This event changed nothing.'),
        ),
        h(
          'div',
          { class: 'section' },
          h('h3', {}, 'Place in the chain'),
          facts([
            ['Number', event.seq],
            ['Hash', copyable(event.hash, 'Copy the hash')],
            ['Previous hash', copyable(event.prev_hash, 'Copy the previous hash')],
          ]),
        ),
      );
    },
  });
}
