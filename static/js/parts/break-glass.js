// Breaking the glass: asking for it, the banner while it runs, ending it.

import { post, segment } from '../api.js';
import { button, count, h, icon, notice } from '../main.js';
import { to } from '../router.js';
import { session } from '../session.js';
import { confirm, openDialog } from './dialog.js';
import { field, fieldError, form } from './form.js';

const MINUTES = [
  ['5', '5 minutes'],
  ['15', '15 minutes'],
  ['30', '30 minutes'],
  ['60', 'An hour'],
];

function proofFields() {
  const code = session.user.mfa_enabled;
  return [
    field({
      name: 'password',
      label: 'Your password',
      type: 'password',
      autocomplete: 'current-password',
      hint: code ? 'Or the code below.' : 'Asked for anew, so that an open browser is not enough.',
    }),
    code &&
      field({
        name: 'totp',
        label: 'Code of your authenticator app',
        autocomplete: 'one-time-code',
        inputmode: 'numeric',
        hint: 'Instead of your password.',
      }),
  ].filter(Boolean);
}

/** Asks for a reason and a proof; the console then starts anew with every permission. */
export function breakGlass() {
  const box = openDialog({ title: 'Break the glass?' });
  const node = form({
    submit: 'Break the glass',
    tone: 'danger',
    drawer: box,
    actions: [button('Cancel', { onclick: box.close })],
    fields: [
      notice(
        'caution',
        h('p', { class: 'strong' }, 'What will happen'),
        h(
          'p',
          {},
          'This session may read and change everything until the time is over. Administrators are told, all you do is marked in the audit log, and somebody else reviews it afterwards.',
        ),
      ),
      field({
        name: 'reason',
        label: 'Reason',
        required: true,
        autocomplete: 'off',
        hint: 'A few words; whoever reviews it reads them.',
      }),
      field({ name: 'minutes', label: 'For how long', type: 'select', options: MINUTES, value: '15' }),
      ...proofFields(),
    ],
    send: async ({ reason, minutes, password, totp }) => {
      if (!reason.trim()) throw fieldError('/reason', 'Say why.');
      if (!password && !totp) throw fieldError('/password', 'Enter your password.');
      await post('/auth/elevate', {
        reason: reason.trim(),
        minutes: Number(minutes),
        ...(password && { password }),
        ...(totp && { totp: totp.trim() }),
      });
      // A fresh document shows every page as the new rights open it.
      location.reload();
    },
  });
  box.body.append(node);
  node.elements.reason.focus();
}

export const endElevation = (id, whose, done) =>
  confirm({
    title: `End ${whose} elevation?`,
    text: 'Its rights go back to the usual ones with the next request. What was done stays and waits for its review.',
    verb: 'End it now',
    work: async () => {
      await post(`/elevations/${segment(id)}/end`);
      await done();
    },
  });

/** 9:05, as a clock that runs down. */
export function remaining(until) {
  const seconds = Math.max(0, Math.ceil((new Date(until) - Date.now()) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** A clock that runs down to `until` and then calls `over`. */
export function countdown(until, over = () => {}) {
  const node = h('span', { role: 'timer', class: 'strong' }, remaining(until));
  const timer = setInterval(() => {
    node.textContent = remaining(until);
    if (new Date(until) > Date.now() && node.isConnected) return;
    clearInterval(timer);
    if (node.isConnected) over();
  }, 1000);
  return node;
}

function own({ id, expires_at: until }) {
  return [
    h('span', {}, h('strong', {}, 'You hold every permission'), ' for ', countdown(until, () => location.reload()), '.'),
    button('End now', { tone: 'small', onclick: () => endElevation(id, 'your', () => location.reload()) }),
  ];
}

function others({ active, unreviewed }) {
  const parts = [
    active > 0 && `${count(active, 'elevation')} ${active === 1 ? 'runs' : 'run'}`,
    unreviewed > 0 && `${count(unreviewed, 'elevation')} ${unreviewed === 1 ? 'waits' : 'wait'} for review`,
  ].filter(Boolean);
  const words = h('span', {}, h('strong', {}, 'Break-glass: '), `${parts.join(', ')}.`);
  const state = unreviewed > 0 ? 'unreviewed' : 'active';
  return [words, h('a', { href: to('elevations', { state }) }, 'Look at it')];
}

/** Fills the banner for whoever is elevated, and for those who look after it. */
export function showElevations(banner) {
  const { elevation, elevations } = session.user;
  banner.hidden = !elevation && !elevations?.active && !elevations?.unreviewed;
  if (!banner.hidden) banner.replaceChildren(icon('shield'), ...(elevation ? own(elevation) : others(elevations)));
}
