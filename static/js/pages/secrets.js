import { get, post } from '../api.js';
import { badge, button, count, h, notice, number, problemNotice, time } from '../main.js';
import { openDialog } from '../parts/dialog.js';
import { field, fieldError, form } from '../parts/form.js';
import { table } from '../parts/table.js';
import { toast } from '../parts/toast.js';
import { auditLink, pageHead, to } from '../router.js';
import { can, leave, session } from '../session.js';

const KINDS = {
  jwt: ['Access tokens', 'signs the tokens of everybody who is signed in'],
  fields: ['Encrypted values', 'encrypts what is confidential in the database'],
  presign: ['Presigned addresses', 'signs addresses that open a file without signing in'],
  webhooks: ['Webhook secrets', 'encrypts what deliveries are signed with'],
  sessions: ['Sessions and API keys', 'knows API keys, sessions and links again; it stays'],
};
const SEALING = ['fields', 'webhooks'];
const ROUTINE = {
  jwt: 'Nobody is signed out: tokens of the key before are good until they expire.',
  fields: 'Everything is encrypted anew in the background, then the key before goes.',
  presign: 'Addresses that were handed out are good for another hour.',
  webhooks: 'The secrets of webhooks stay the same; they are encrypted anew, then the key before goes.',
};
const EMERGENCY = {
  jwt: 'Everybody is signed out at once, you too. API keys go on.',
  presign: 'Every address that was handed out is refused at once.',
};
const named = (kind) => KINDS[kind][0];

function fate({ state, retires_at: end, sealed, kind }) {
  if (state === 'current') return SEALING.includes(kind) ? sealed ? `Seals ${count(sealed, 'value')}` : 'Seals nothing yet' : '';
  if (end) return ['Goes ', time(end)];
  return sealed ? `Goes once ${count(sealed, 'value')} ${sealed === 1 ? 'is' : 'are'} encrypted anew` : 'Goes in a few minutes';
}

const age = ({ age_days: days }) => (days ? count(days, 'day') : 'Under a day');

const columns = (done) => [
  {
    label: 'Key',
    cell: (key) =>
      h('div', {}, h('span', { class: 'strong' }, named(key.kind)), h('div', { class: 'faint small' }, KINDS[key.kind][1])),
  },
  { label: 'State', cell: ({ state }) => (state === 'current' ? badge('In force', 'good') : badge('Retiring', 'caution')) },
  { label: 'Age', numeric: true, phoneLabel: 'Age', cell: age },
  { label: 'Last used', phoneLabel: 'Used', cell: ({ last_used_at: at }) => time(at) },
  { label: 'What becomes of it', phoneLabel: 'Then', cell: fate },
  { label: 'Id', phoneOff: true, cell: ({ id }) => h('code', { class: 'faint small' }, id) },
  {
    label: h('span', { class: 'visually-hidden' }, 'Action'),
    above: true,
    cell: (key) =>
      key.rotatable &&
      key.state === 'current' &&
      can('secrets', 'write') &&
      button('Rotate', { tone: 'small', 'aria-label': `Rotate: ${named(key.kind)}`, onclick: () => rotate(key.kind, done) }),
  },
];

/** Under an elevation the proof was given already. */
const password = () =>
  !session.user.elevation &&
  field({
    name: 'password',
    label: 'Your password',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
    hint: 'Asked for anew, so that an open browser is not enough.',
  });

function rotate(kind, done) {
  const consequence = h('p', {}, ROUTINE[kind]);
  const body = h('div', { class: 'stack' });
  const box = openDialog({ title: `Rotate the key: ${named(kind)}?`, body });
  const act = () => node.ownerDocument.querySelector(`[form="${node.id}"][type="submit"]`);
  const node = form({
    submit: 'Rotate the key',
    drawer: box,
    actions: [button('Cancel', { onclick: box.close })],
    fields: [
      EMERGENCY[kind] &&
        field({
          name: 'why',
          label: 'Why',
          type: 'select',
          options: [
            ['routine', 'It is time: the key before may retire slowly'],
            ['emergency', 'Emergency: somebody may know the key'],
          ],
          onchange: ({ target }) => {
            const urgent = target.value === 'emergency';
            consequence.textContent = (urgent ? EMERGENCY : ROUTINE)[kind];
            act().classList.toggle('danger', urgent);
            act().classList.toggle('primary', !urgent);
          },
        }),
      notice('caution', h('p', { class: 'strong' }, 'What will happen'), consequence),
      field({ name: 'reason', label: 'Reason', required: true, autocomplete: 'off', hint: 'The audit log keeps it.' }),
      password(),
    ].filter(Boolean),
    send: async ({ why, reason, password: secret }) => {
      if (!reason.trim()) throw fieldError('/reason', 'Say why; it is written to the audit log.');
      if (!secret && !session.user.elevation) throw fieldError('/password', 'Enter your password.');
      const emergency = why === 'emergency';
      await post(`/secrets/${kind}/rotate`, { emergency, reason: reason.trim(), ...(secret && { password: secret }) });
      box.close();
      if (emergency && kind === 'jwt') return leave();
      toast(`${named(kind)}: a new key is in force.`);
      return done();
    },
  });
  body.append(node);
  node.querySelector('select, input').focus();
}

function schedule(days) {
  const words = days
    ? `Keys are rotated by themselves once they are ${number(days)} days old.`
    : 'Keys are not rotated by themselves.';
  const link = can('settings', 'read') && h('a', { href: to('settings') }, 'Change that in the settings');
  return h('p', { class: 'muted row' }, words, link);
}

export default function secrets({ root }) {
  const failure = h('div', {});
  const plan = h('div', {});
  const card = h('section', { class: 'card', 'aria-label': 'Keys', 'aria-busy': 'true' });
  card.append(h('div', { class: 'card-body late' }, 'Loading…'));
  root.append(
    pageHead({
      title: 'Secrets',
      lead: 'The keys of this instance: how old they are and when they were last used. Their values are shown nowhere.',
      actions: [auditLink({ target_type: 'secret' })],
    }),
    h('div', { class: 'stack' }, failure, plan, card),
  );
  async function load() {
    try {
      const { items, rotate_days: days } = await get('/secrets');
      failure.replaceChildren();
      plan.replaceChildren(schedule(days));
      const rows = table({ label: 'Keys', columns: columns(load), items });
      card.replaceChildren(h('div', { class: 'table-scroll' }, rows));
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      failure.replaceChildren(problemNotice(problem, load));
      card.querySelector('.late')?.remove();
    }
    card.removeAttribute('aria-busy');
  }
  load();
  return { refresh: load };
}
