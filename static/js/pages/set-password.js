import { post } from '../api.js';
import { button, h, icon, labelled, notice, problemNotice, showFieldErrors } from '../main.js';

/** The one-time token leaves the address at once, so that it stays in no history. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  history.replaceState(null, '', location.pathname);
  return token;
}

const signInLink = (text) => h('a', { class: 'button primary wide', href: '/console/sign-in' }, text);

export default function setPasswordPage(root) {
  document.title = 'Set your password · Portcullis';
  const token = takeToken();
  const password = h('input', {
    class: 'input',
    type: 'password',
    name: 'new_password',
    autocomplete: 'new-password',
    required: true,
  });
  const failure = h('div', {});
  const submit = button('Set the password', { tone: 'primary wide', type: 'submit' });
  const form = h(
    'form',
    { class: 'form', onsubmit: send },
    h('div', {}, h('h1', {}, 'Set your password'), h('p', { class: 'muted' }, 'The link works once.')),
    labelled('Password', password, { hint: 'At least 12 characters, not a common one.' }),
    failure,
    submit,
  );

  async function send(event) {
    event.preventDefault();
    submit.disabled = true;
    failure.replaceChildren();
    try {
      await post('/auth/password/reset', { token, new_password: password.value });
      form.replaceChildren(
        h('h1', {}, 'Set your password'),
        notice('good', h('p', { role: 'status' }, 'Your password is set.')),
        signInLink('Sign in'),
      );
    } catch (problem) {
      submit.disabled = false;
      const homeless = showFieldErrors(form, problem.errors);
      if (homeless.length || !problem.errors?.length) failure.replaceChildren(problemNotice(problem));
    }
  }

  const lost = [
    h('h1', {}, 'This link is not complete'),
    h('p', {}, 'Open the whole link that you were given, or ask for a new one.'),
    signInLink('Go to sign-in'),
  ];
  root.replaceChildren(
    h(
      'main',
      { class: 'gate' },
      h('div', { class: 'brand' }, icon('gate', 26), 'Portcullis'),
      h('div', { class: 'gate-card' }, token ? form : h('div', { class: 'stack' }, lost)),
    ),
  );
  if (token) password.focus();
}
