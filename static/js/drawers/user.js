// One user: make, see, change, end sessions, disable, delete.

import { get, patch, post, remove, segment } from '../api.js';
import { auditLink, to } from '../router.js';
import { can, session, summaryOf } from '../session.js';
import { accessSection } from '../parts/access.js';
import { confirm, recordDrawer, showOnce } from '../parts/dialog.js';
import { badge, button, copyable, facts, h, icon, sentence, time } from '../main.js';
import { field, fieldError, form } from '../parts/form.js';
import { personalSection } from '../parts/personal.js';
import { mergePatch } from '../parts/schema-form.js';
import { toast } from '../parts/toast.js';

async function roleChoices(held = []) {
  const { items } = await get('/roles', { limit: 200 }).catch(() => ({ items: held.map((name) => ({ name })) }));
  return items
    .filter(({ name }) => name !== 'anonymous')
    .map(({ name, permissions }) => [name, sentence(name), permissions && summaryOf(permissions)]);
}

function giveLink(user) {
  const link = new URL(user.set_password_url, location.origin).href;
  showOnce({
    title: `A link for ${user.email}`,
    text: `Whoever opens this link sets the password. It works once and is not shown again.${user.mailed ? ' They get one by mail, too.' : ''}`,
    secret: link,
  });
}

// What row rules can ask for, such as where(data.team = @user.data.team).
const dataField = (data = {}) =>
  field({
    name: 'data',
    type: 'json',
    label: 'Data for row rules',
    optional: true,
    rows: 4,
    hint: 'A JSON object, such as {"team": "north"}',
    value: Object.keys(data).length ? JSON.stringify(data, null, 2) : '',
  });

/** What turns the data there was into what was typed, as a merge patch; nothing where it stays. */
function dataChange(before = {}, text = '') {
  let after = {};
  try {
    if (text.trim()) after = JSON.parse(text);
  } catch (cause) {
    throw fieldError('/data', `This is not JSON: ${cause.message}`);
  }
  const changes = mergePatch(before, after);
  return Object.keys(changes).length ? { data: changes } : {};
}

async function newUser(drawer, changed) {
  const options = await roleChoices();
  drawer.body.replaceChildren(
    form({
      submit: 'Create the user',
      drawer,
      fields: [
        field({ name: 'email', label: 'Email', type: 'email', required: true, autocomplete: 'off' }),
        field({ name: 'name', label: 'Name', optional: true, autocomplete: 'off' }),
        field({
          name: 'kind',
          label: 'For',
          type: 'select',
          options: [
            ['person', 'A person'],
            ['service', 'A program: calls with API keys, never signs in'],
          ],
          onchange: ({ target }) => {
            drawer.body.querySelector('[data-pointer="/password"]').hidden = target.value === 'service';
          },
        }),
        field({
          name: 'password',
          label: 'Password',
          optional: true,
          type: 'password',
          autocomplete: 'new-password',
          hint: 'Leave it empty to get a link with which they set their own.',
        }),
        field({ type: 'choices', name: 'roles', label: 'Roles', options }),
        dataField(),
      ],
      send: async ({ email, name, kind, password, roles, data }) => {
        const user = await post('/users', {
          email: email.trim(),
          kind,
          ...(name && { name }),
          ...(password && kind === 'person' && { password }),
          ...(roles?.length && { roles }),
          ...dataChange({}, data),
        });
        drawer.close();
        changed();
        const mailed = document.documentElement.hasAttribute('data-mail') && user.status === 'active';
        if (user.set_password_url) giveLink({ ...user, mailed });
        else toast(`${user.email} was created.`);
      },
    }),
  );
  drawer.body.querySelector('input').focus();
}

function editForm(drawer, user, { options, actions, saved }) {
  const statuses = [
    ['active', 'Active'],
    ['disabled', user.kind === 'service' ? 'Disabled: its keys are refused' : 'Disabled: cannot sign in'],
    ...(user.status === 'pending' ? [['pending', 'Waiting for approval']] : []),
  ];
  const before = [...(user.roles ?? [])].sort().join();
  return form({
    submit: 'Save',
    drawer,
    actions,
    fields: [
      field({ name: 'name', label: 'Name', value: user.name ?? '' }),
      field({ name: 'status', label: 'Status', type: 'select', options: statuses, value: user.status }),
      field({ type: 'choices', name: 'roles', label: 'Roles', options, value: user.roles }),
      dataField(user.data),
    ],
    send: async ({ name, status, roles = [], data }) => {
      const change = dataChange(user.data, data);
      const save = async () => {
        await patch(`/users/${user.id}`, { name: name || null, status, roles, ...change });
        saved();
      };
      const removed = (user.roles ?? []).filter((role) => !roles.includes(role));
      const added = roles.filter((role) => !user.roles?.includes(role));
      if ([...roles].sort().join() === before) return save();
      const words = [
        added.length && `gains ${added.map(sentence).join(', ')}`,
        removed.length && `loses ${removed.map(sentence).join(', ')}`,
      ]
        .filter(Boolean)
        .join(' and ');
      return confirm({
        title: `Change the roles of ${user.name || user.email}?`,
        text: `They ${words.replace('gains', 'gain').replace('loses', 'lose')}. It takes effect on their next request and can be changed back.`,
        verb: 'Change roles',
        danger: false,
        work: save,
      });
    },
  });
}

function deleteUser(user, { changed, close }) {
  return confirm({
    title: `Delete ${user.name || user.email}?`,
    text: 'Their sessions end at once and the address becomes free. You can restore the account later.',
    verb: 'Delete user',
    work: async () => {
      await remove(`/users/${user.id}`);
      close();
      changed();
      toast(`${user.email} was deleted.`, {
        undo: async () => {
          await post(`/users/${user.id}/restore`);
          changed();
          toast(`${user.email} is back.`);
        },
      });
    },
  });
}

function revokeSessions(user) {
  return confirm({
    title: `End all sessions of ${user.name || user.email}?`,
    text: 'They are signed out on every device and have to sign in again. This cannot be undone.',
    verb: 'End sessions',
    work: async () => {
      await post(`/users/${user.id}/sessions/revoke`);
      toast('Their sessions have ended.');
    },
  });
}

async function restoreUser(user, { changed, reload }) {
  await post(`/users/${user.id}/restore`);
  changed();
  reload();
  toast(`${user.email} is back.`);
}

async function unlock(user, { changed, reload }) {
  await post(`/users/${user.id}/unlock`);
  changed();
  reload();
  toast('Unlocked.');
}

function resetSecondFactor(user, { changed, reload }) {
  return confirm({
    title: `Reset the second factor of ${user.name || user.email}?`,
    text: 'The password alone then signs them in, and their recovery codes stop working. They can set it up anew.',
    verb: 'Reset second factor',
    work: async () => {
      await post(`/users/${user.id}/reset-mfa`);
      changed();
      reload();
      toast('Their second factor is off.');
    },
  });
}

function footActions(user, context) {
  const deletable = can('users', 'delete') && user.id !== session.user.id && !user.deleted_at;
  return [
    deletable && button('Delete', { tone: 'danger-quiet start', onclick: () => deleteUser(user, context) }),
    auditLink({ target_type: 'user', target_id: user.id }),
    user.deleted_at &&
      can('users', 'delete') &&
      button('Restore', { tone: 'primary', onclick: () => restoreUser(user, context) }),
  ].filter(Boolean);
}

function signInActions(user, context) {
  const locked = user.locked_until && new Date(user.locked_until) > new Date();
  return h(
    'div',
    { class: 'section' },
    h('h3', {}, 'Signing in'),
    h(
      'div',
      { class: 'row' },
      locked && button('Unlock', { onclick: () => unlock(user, context) }),
      button('Password link', {
        glyph: 'link',
        onclick: async () => giveLink({ ...user, ...(await post(`/users/${user.id}/password-link`)) }),
      }),
      button('End sessions', { glyph: 'exit', onclick: () => revokeSessions(user) }),
      user.mfa_enabled &&
        user.id !== session.user.id &&
        button('Reset second factor', { glyph: 'shield', onclick: () => resetSecondFactor(user, context) }),
    ),
  );
}

/** A service account has keys instead of a password. */
function keyActions(user) {
  return h(
    'div',
    { class: 'section' },
    h('h3', {}, 'API keys'),
    h('p', { class: 'muted small' }, 'A service account calls with keys and never signs in.'),
    h(
      'div',
      { class: 'row' },
      can('api_keys', 'create') &&
        h('a', { class: 'button', href: to('api-keys', { owner: user.id, open: 'new' }) }, icon('plus'), 'New API key'),
      can('api_keys', 'read') &&
        h('a', { class: 'button', href: to('api-keys', { owner: user.id }) }, icon('terminal'), 'Its keys'),
    ),
  );
}

async function existingUser(drawer, id, changed) {
  const context = { changed, close: drawer.close, reload: drawer.reload };
  const user = await get(`/users/${segment(id)}`, { deleted: 'include' });
  const service = user.kind === 'service';
  const editable = can('users', 'update') && !user.deleted_at;
  const options = editable ? await roleChoices(user.roles) : [];
  const actions = footActions(user, context);
  drawer.setTitle(user.name || user.email);
  drawer.setFoot(...actions);
  const saved = () => {
    toast('Saved.');
    changed();
    drawer.reload();
  };
  drawer.body.replaceChildren(
    facts([
      ['Email', user.email],
      ['Kind', service && 'Service account'],
      ['Last sign-in', !service && time(user.last_login_at, { full: true })],
      ['Second factor', !service && (user.mfa_enabled ? badge('On', 'good') : badge('Off'))],
      ['Created', time(user.created_at, { full: true })],
      ['Locked until', user.locked_until && time(user.locked_until, { full: true })],
      ['Deleted', user.deleted_at && time(user.deleted_at, { full: true })],
      ['Id', copyable(user.id, 'Copy the id')],
    ]),
    editable
      ? h(
          'div',
          { class: 'section' },
          h('h3', {}, 'Profile and access'),
          editForm(drawer, user, { options, actions, saved }),
        )
      : '',
    editable ? (service ? keyActions(user) : signInActions(user, context)) : '',
    user.deleted_at ? '' : accessSection(user),
    personalSection(
      {
        kind: 'user',
        id: user.id,
        path: `/users/${user.id}`,
        name: user.name || user.email,
        proof: user.email,
        after: () => {
          changed();
          drawer.reload();
        },
      },
      { mayExport: can('users', 'export'), mayForget: can('users', 'delete') && user.id !== session.user.id },
    ),
  );
}

export function userDrawer(id, { changed, closed }) {
  return recordDrawer({
    title: id === 'new' ? 'New user' : 'User',
    closed,
    load: (drawer) => (id === 'new' ? newUser(drawer, changed) : existingUser(drawer, id, changed)),
  });
}
