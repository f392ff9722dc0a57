import { patch, post } from '../api.js';
import { badge, button, count, facts, h, sentence, time } from '../main.js';
import { openDialog } from '../parts/dialog.js';
import { field, fieldError, form } from '../parts/form.js';
import { enrol, recoveryCodes } from '../parts/second-factor.js';
import { toast } from '../parts/toast.js';
import { pageHead, to } from '../router.js';
import { can, refreshUser, session } from '../session.js';

const card = (title, ...body) =>
  h(
    'section',
    { class: 'card' },
    h('header', { class: 'card-head' }, h('h2', {}, title)),
    h('div', { class: 'card-body stack' }, body),
  );

function profile() {
  const { user } = session;
  return card(
    'Profile',
    facts([
      ['Email', user.email],
      [
        'Roles',
        user.roles?.length
          ? h(
              'span',
              { class: 'badges' },
              user.roles.map((role) => badge(sentence(role))),
            )
          : 'None',
      ],
      ['Sees fields up to', sentence(user.clearance)],
      ['Sessions', h('a', { href: to('sessions') }, 'Where you are signed in')],
    ]),
    form({
      submit: 'Save',
      fields: [field({ name: 'name', label: 'Name', value: user.name ?? '', autocomplete: 'name' })],
      send: async ({ name }) => {
        await patch('/auth/me', { name: name.trim() || null });
        await refreshUser();
        toast('Your profile was saved.');
      },
    }),
  );
}

function passwordForm() {
  const node = form({
    submit: 'Change the password',
    fields: [
      field({
        name: 'current_password',
        label: 'Current password',
        type: 'password',
        autocomplete: 'current-password',
      }),
      field({
        name: 'new_password',
        label: 'New password',
        type: 'password',
        autocomplete: 'new-password',
        hint: 'At least 12 characters, not a common one.',
      }),
      field({ name: 'again', label: 'New password again', type: 'password', autocomplete: 'new-password' }),
    ],
    send: async ({ current_password, new_password, again }) => {
      if (new_password !== again) throw fieldError('/again', 'The two are not the same.');
      await post('/auth/password', { current_password, new_password });
      node.reset();
      toast('Your password was changed. Your other sessions have ended.');
    },
  });
  return card('Password', node);
}

/** Asks for the password in a dialog; `work(password, dialog)` closes it or goes on in it. */
function withPassword({ title, text, verb, tone, work }) {
  const box = openDialog({ title });
  box.body.append(
    h(
      'div',
      { class: 'stack' },
      h('p', {}, text),
      form({
        submit: verb,
        tone,
        drawer: box,
        actions: [button('Cancel', { onclick: box.close })],
        fields: [
          field({ name: 'password', label: 'Your password', type: 'password', autocomplete: 'current-password' }),
        ],
        send: ({ password }) => work(password, box),
      }),
    ),
  );
  box.body.querySelector('input').focus();
}

function secondFactor() {
  const node = h('div', { class: 'stack' });

  const setUp = () => {
    const place = h('div', { class: 'stack' });
    const box = openDialog({ title: 'Set up a second factor', body: place, onclose: refresh });
    enrol(place, box.close);
  };
  const renew = () =>
    withPassword({
      title: 'Get new recovery codes?',
      text: 'The ones you have now stop working.',
      verb: 'Get new codes',
      work: async (password, box) => {
        const { recovery_codes } = await post('/auth/mfa/recovery-codes', { password });
        box.setTitle('Recovery codes');
        box.setFoot();
        box.body.replaceChildren(recoveryCodes(recovery_codes, box.close));
        await refresh();
      },
    });
  const turnOff = () =>
    withPassword({
      title: 'Turn off your second factor?',
      text: 'The password alone then signs you in. The recovery codes stop working; you can set it up anew.',
      verb: 'Turn off',
      tone: 'danger',
      work: async (password, box) => {
        await post('/auth/mfa/disable', { password });
        box.close();
        toast('Your second factor is off.');
        await refresh();
        if (session.user.mfa_required) location.reload();
      },
    });

  function show() {
    const { mfa_enabled, recovery_codes_left } = session.user;
    node.replaceChildren(
      facts([
        ['Authenticator app', mfa_enabled ? badge('On', 'good') : badge('Off')],
        ['Recovery codes', mfa_enabled && `${count(recovery_codes_left, 'code')} left`],
      ]),
      mfa_enabled
        ? h(
            'div',
            { class: 'row row-end' },
            button('New recovery codes', { onclick: renew }),
            button('Turn off', { tone: 'danger-quiet', onclick: turnOff }),
          )
        : h('div', { class: 'row row-end' }, button('Set up', { glyph: 'shield', onclick: setUp })),
    );
  }
  async function refresh() {
    await refreshUser();
    show();
  }
  show();
  return card('Second factor', node);
}

/** Every permission for a while, for those who may ask for it. */
function glass() {
  const { elevation } = session.user;
  if (!elevation && !can('elevations', 'create')) return null;
  const parts = () => import('../parts/break-glass.js');
  if (elevation) {
    return card(
      'Break-glass',
      facts([
        ['State', badge('You hold every permission', 'danger')],
        ['Ends', time(elevation.expires_at, { full: true })],
      ]),
      h(
        'div',
        { class: 'row row-end' },
        button('End it now', {
          onclick: async () => (await parts()).endElevation(elevation.id, 'your', () => location.reload()),
        }),
      ),
    );
  }
  return card(
    'Break-glass',
    h(
      'p',
      {},
      'When something is wrong and your rights are not enough: every permission for up to an hour, with a reason, all of it marked and reviewed by somebody else.',
    ),
    h(
      'div',
      { class: 'row row-end' },
      button('Break the glass', {
        glyph: 'shield',
        tone: 'danger-quiet',
        onclick: async () => (await parts()).breakGlass(),
      }),
    ),
  );
}

function appearance() {
  const choose = ({ target }) => {
    if (target.value) localStorage.setItem('theme', target.value);
    else localStorage.removeItem('theme');
    document.documentElement.dataset.theme = target.value;
  };
  return card(
    'Appearance',
    field({
      name: 'theme',
      label: 'Colours',
      type: 'select',
      value: localStorage.getItem('theme') ?? '',
      options: [
        ['', 'As the system'],
        ['light', 'Light'],
        ['dark', 'Dark'],
      ],
      onchange: choose,
    }),
  );
}

/** For those who look after the instance. */
function mail() {
  if (!can('settings', 'read')) return '';
  const place = h('div', { class: 'stack' });
  import('../parts/mail.js').then(({ showMail }) => showMail(place, can('settings', 'write')));
  return card('Mail', place);
}

export default function account({ root }) {
  root.append(
    pageHead({ title: 'Your account' }),
    h('div', { class: 'stack narrow' }, profile(), passwordForm(), secondFactor(), glass() ?? '', appearance(), mail()),
  );
  return {};
}
