// One elevation: who and why, everything done under it, and closing it.

import { get, post, segment } from '../api.js';
import { button, copyable, facts, h, notice, time } from '../main.js';
import { sentenceOf } from '../pages/audit.js';
import { isActive, stateBadge } from '../pages/elevations.js';
import { countdown, endElevation } from '../parts/break-glass.js';
import { openDialog, recordDrawer } from '../parts/dialog.js';
import { field, fieldError, form } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { to } from '../router.js';
import { can, refreshUser, session } from '../session.js';

const SHOWN = 100;
const CAUSES = {
  expired: 'Its time was over',
  ended: 'It was ended by hand',
  session_ended: 'The session ended',
  right_lost: 'The right to it was lost',
  password_changed: 'The password was changed',
  replaced: 'A new one took its place',
};

const known = () => refreshUser().then(() => document.dispatchEvent(new Event('elevations-known')));

function eventLine(event) {
  return h(
    'li',
    {},
    h(
      'div',
      { class: 'grow' },
      h('a', { href: to('audit', { elevation_id: event.elevation_id, open: event.seq }) }, sentenceOf(event)),
    ),
    time(event.at),
  );
}

function events(items, id, more) {
  if (!items) return h('p', { class: 'muted' }, 'Your role may not read the audit log.');
  const all = h('a', { href: to('audit', { elevation_id: id }) }, 'See all of it in the audit log');
  return h('div', { class: 'stack' }, h('ul', { class: 'lines' }, items.map(eventLine)), more && h('p', {}, all));
}

function review(elevation, done) {
  const box = openDialog({ title: `Review the elevation of ${elevation.user_email}` });
  const node = form({
    submit: 'Close it',
    drawer: box,
    actions: [button('Cancel', { onclick: box.close })],
    fields: [
      notice(
        '',
        h('p', { class: 'strong' }, 'What will happen'),
        h('p', {}, 'It is closed with your name and this note. That cannot be undone.'),
      ),
      field({
        name: 'note',
        label: 'What you found',
        type: 'textarea',
        required: true,
        hint: 'What was done under it, and whether it had to be.',
      }),
    ],
    send: async ({ note }) => {
      if (!note.trim()) throw fieldError('/note', 'Say what you found.');
      await post(`/elevations/${elevation.id}/review`, { note: note.trim() });
      box.close();
      toast('The elevation is closed.');
      done();
    },
  });
  box.body.append(node);
  node.elements.note.focus();
}

function actions(elevation, done) {
  const own = elevation.user_id === session.user.id;
  const active = isActive(elevation);
  const reviewable = !active && !elevation.reviewed_at && !own && can('elevations', 'update');
  return [
    active &&
      (own || can('elevations', 'update')) &&
      button('End it now', {
        tone: 'danger-quiet start',
        onclick: () => endElevation(elevation.id, own ? 'your' : `${elevation.user_email}’s`, done),
      }),
    reviewable && button('Review', { tone: 'primary', onclick: () => review(elevation, done) }),
  ].filter(Boolean);
}

export function elevationDrawer(id, { changed, closed }) {
  return recordDrawer({
    title: 'Elevation',
    closed,
    wide: true,
    load: async (drawer) => {
      const [elevation, page] = await Promise.all([
        get(`/elevations/${segment(id)}`),
        can('audit', 'read') ? get('/audit', { elevation_id: id, limit: SHOWN }) : {},
      ]);
      const done = async () => {
        await known();
        changed();
        drawer.reload();
      };
      const active = isActive(elevation);
      const waits = !active && !elevation.reviewed_at && elevation.user_id === session.user.id;
      drawer.setTitle(`Elevation of ${elevation.user_email}`);
      drawer.setFoot(...actions(elevation, done));
      drawer.body.replaceChildren(
        facts([
          ['State', stateBadge(elevation)],
          ['Reason', elevation.reason],
          ['From', elevation.ip],
          ['Began', time(elevation.created_at, { full: true })],
          ['Left', active && countdown(elevation.expires_at, drawer.reload)],
          ['Ended', elevation.ended_at && time(elevation.ended_at, { full: true })],
          ['Why it ended', CAUSES[elevation.end_cause]],
          ['Reviewed', elevation.reviewed_at && time(elevation.reviewed_at, { full: true })],
          ['Review', elevation.review_note],
          ['Id', copyable(elevation.id, 'Copy the id')],
        ]),
        waits ? notice('', h('p', {}, 'Somebody else reviews it; where nobody else can, the command line does.')) : '',
        h(
          'div',
          { class: 'section' },
          h('h3', {}, 'What was done under it'),
          events(page.items, elevation.id, page.next_cursor),
        ),
      );
    },
  });
}
