// One API key: make, see, change, rotate, revoke. Its secret is shown once.

import { get, patch, post, remove, segment } from '../api.js';
import { hasEnded } from '../pages/api-keys.js';
import { auditLink, here } from '../router.js';
import { can, sentencesOf, session } from '../session.js';
import { confirm, openDialog, recordDrawer, showOnce } from '../parts/dialog.js';
import { badge, button, copyable, exactTime, facts, h, notice, number, time } from '../main.js';
import { field, form } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { permissionGrid, sentenceList } from '../parts/permissions.js';

const DAY = 24 * 3600 * 1000;
const ENDS = [
  ['30', 'In 30 days'],
  ['90', 'In 90 days'],
  ['365', 'In a year'],
  ['never', 'Never'],
];
const OVERLAPS = [
  ['0', 'At once'],
  ['10', 'In 10 minutes'],
  ['60', 'In an hour'],
  ['1440', 'In a day'],
  ['10080', 'In a week'],
];

const endOf = (choice) => (choice === 'never' ? null : new Date(Date.now() + Number(choice) * DAY).toISOString());
const limitOf = (text) => (text === '' ? null : { per_minute: Number(text) });

function giveSecret({ name, key }) {
  showOnce({
    title: `The key ${name}`,
    text: 'Copy it to where it is used. It is not shown again; whoever has it can use it.',
    secret: key,
  });
}

const limitField = (value = '') =>
  field({
    name: 'per_minute',
    label: 'Requests a minute, at most',
    type: 'number',
    min: 1,
    optional: true,
    pointer: '/rate_limit',
    value,
  });

/** Oneself, and where one may, the service accounts. */
async function owners() {
  const self = [session.user.id, `${session.user.name || session.user.email} (you)`];
  if (!can('api_keys', 'create') || !can('users', 'read')) return [self];
  const { items } = await get('/users', { filter: 'kind = "service"', limit: 200, sort: 'email' });
  return [self, ...items.map((user) => [user.id, user.name ? `${user.name}, ${user.email}` : user.email])];
}

/** Scopes as a grid for those who see the catalogue, else as a choice among what one holds. */
async function scopePicker() {
  if (can('roles', 'read')) {
    const rules = permissionGrid((await get('/permissions')).items, [], '/scopes');
    return { nodes: [rules.node, h('h3', {}, 'In words'), rules.preview], scopesIn: () => rules.chosen() };
  }
  const held = session.user.permissions ?? [];
  const options = held.map((permission) => [permission, sentencesOf([permission])[0]]);
  const node = field({ type: 'choices', name: 'scopes', label: 'It may do', options });
  return { nodes: [node], scopesIn: ({ scopes }) => scopes ?? [] };
}

async function newKey(drawer, changed) {
  const [accounts, picker] = await Promise.all([owners(), scopePicker()]);
  const wanted = here().query.get('owner') ?? session.user.id;
  drawer.body.replaceChildren(
    form({
      submit: 'Create the key',
      drawer,
      fields: [
        field({
          name: 'name',
          label: 'Name',
          hint: 'What uses it, such as Nightly import',
          required: true,
          autocomplete: 'off',
        }),
        accounts.length > 1 &&
          field({
            name: 'owner_id',
            label: 'Acts for',
            type: 'select',
            options: accounts,
            value: wanted,
            hint: 'The key never does more than this account may.',
          }),
        field({
          name: 'expires',
          label: 'Expires',
          type: 'select',
          options: ENDS,
          value: '90',
          pointer: '/expires_at',
        }),
        limitField(),
        h('div', { class: 'section' }, h('h3', {}, 'What it may do'), picker.nodes),
      ].filter(Boolean),
      send: async (values) => {
        const { name, owner_id, expires, per_minute } = values;
        const made = await post('/api-keys', {
          name,
          scopes: picker.scopesIn(values),
          expires_at: endOf(expires),
          rate_limit: limitOf(per_minute),
          ...(owner_id && { owner_id }),
        });
        drawer.close();
        changed();
        giveSecret(made);
      },
    }),
  );
  drawer.body.querySelector('input').focus();
}

function revoke(key, drawer, changed) {
  return confirm({
    title: `Revoke the key ${key.name}?`,
    text: 'Whatever uses it is refused from its next request on. This cannot be undone; make a new key instead.',
    verb: 'Revoke key',
    work: async () => {
      await remove(`/api-keys/${key.id}`);
      drawer.close();
      changed();
      toast(`${key.name} was revoked.`);
    },
  });
}

function rotate(key, drawer, changed) {
  const text = 'It gets a new secret with the same rights. Choose how long the old one goes on working.';
  const body = h('div', { class: 'stack' }, h('p', {}, text));
  const box = openDialog({ title: `Rotate the key ${key.name}?`, body });
  const choice = form({
    submit: 'Rotate key',
    drawer: box,
    actions: [button('Cancel', { onclick: box.close })],
    fields: [
      field({
        name: 'overlap',
        label: 'The old secret ends',
        type: 'select',
        options: OVERLAPS,
        value: '60',
        pointer: '/overlap_minutes',
      }),
    ],
    send: async ({ overlap }) => {
      const rotated = await post(`/api-keys/${key.id}/rotate`, { overlap_minutes: Number(overlap) });
      box.close();
      drawer.close();
      changed();
      giveSecret(rotated);
    },
  });
  body.append(choice);
  choice.querySelector('select').focus();
}

function editForm(drawer, key, { actions, saved }) {
  const now = key.expires_at ? `As it is: ${exactTime(key.expires_at)}` : 'As it is: never';
  const options = [['', now], ...ENDS.filter(([choice]) => key.expires_at || choice !== 'never')];
  return form({
    submit: 'Save',
    drawer,
    actions,
    fields: [
      field({ name: 'name', label: 'Name', value: key.name, autocomplete: 'off' }),
      field({ name: 'expires', label: 'Expires', type: 'select', options, value: '', pointer: '/expires_at' }),
      limitField(key.rate_limit?.per_minute ?? ''),
    ],
    send: async ({ name, expires, per_minute }) => {
      const change = { name, rate_limit: limitOf(per_minute), ...(expires && { expires_at: endOf(expires) }) };
      await patch(`/api-keys/${key.id}`, change);
      saved();
    },
  });
}

function endText(key) {
  if (hasEnded(key)) return badge('Expired', 'caution');
  return key.expires_at ? time(key.expires_at, { full: true }) : 'Never';
}

/** Said while two secrets work. */
function overlapNotice({ overlap_ends_at: end }) {
  if (!end || new Date(end) <= new Date()) return '';
  return notice('', h('p', {}, 'The secret before the last rotation works until then: ', time(end, { full: true })));
}

async function existingKey(drawer, id, changed) {
  const key = await get(`/api-keys/${segment(id)}`);
  const may = (action) => key.owner_id === session.user.id || can('api_keys', action);
  const actions = [
    may('delete') && button('Revoke', { tone: 'danger-quiet start', onclick: () => revoke(key, drawer, changed) }),
    auditLink({ target_type: 'api_key', target_id: key.id }),
    may('update') && button('Rotate', { glyph: 'key', onclick: () => rotate(key, drawer, changed) }),
  ].filter(Boolean);
  drawer.setTitle(key.name);
  drawer.setFoot(...actions);
  const saved = () => {
    toast('Saved.');
    changed();
    drawer.reload();
  };
  drawer.body.replaceChildren(
    facts([
      ['Acts for', key.owner_email],
      ['Begins with', h('code', {}, key.prefix)],
      ['Last used', time(key.last_used_at, { full: true })],
      ['Expires', endText(key)],
      ['Limit', key.rate_limit && `${number(key.rate_limit.per_minute)} requests a minute`],
      ['Created', time(key.created_at, { full: true })],
      ['Id', copyable(key.id, 'Copy the id')],
    ]),
    overlapNotice(key),
    h(
      'div',
      { class: 'section' },
      h('h3', {}, 'What it may do'),
      h('p', { class: 'muted small' }, 'As far as the account it acts for may do it too.'),
      sentenceList(key.scopes),
    ),
    may('update')
      ? h('div', { class: 'section' }, h('h3', {}, 'Settings'), editForm(drawer, key, { actions, saved }))
      : '',
  );
}

export function apiKeyDrawer(id, { changed, closed }) {
  return recordDrawer({
    title: id === 'new' ? 'New API key' : 'API key',
    closed,
    wide: id === 'new',
    load: (drawer) => (id === 'new' ? newKey(drawer, changed) : existingKey(drawer, id, changed)),
  });
}
