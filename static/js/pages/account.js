import { patch, post } from '../api.js';
import { badge, facts, h, sentence } from '../main.js';
import { field, fieldError, form } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { pageHead, to } from '../router.js';
import { refreshUser, session } from '../session.js';

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

export default function account({ root }) {
  root.append(
    pageHead({ title: 'Your account' }),
    h('div', { class: 'stack narrow' }, profile(), passwordForm(), appearance()),
  );
  return {};
}
