import { post } from '../api.js';
import { button, h, icon, labelled, notice, problemNotice, showFieldErrors } from '../main.js';

/** The one-time token leaves the address at once, so that it stays in no history. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  if (token) history.replaceState(null, '', location.pathname);
  return token;
}

function failureOf(problem) {
  if (problem.status !== 409) return problemNotice(problem);
  return notice('', h('p', {}, problem.message), h('p', {}, h('a', { href: '/console/sign-in' }, 'Go to sign-in')));
}

export default function setupPage(root) {
  document.title = 'Set up · Portcullis';
  const token = takeToken();
  const tokenInput = h('input', { class: 'input', name: 'token', autocomplete: 'off', required: true, value: token });
  const tokenField = labelled('Set-up token', tokenInput, {
    hint: 'The part after token= in the link that the server printed.',
  });
  tokenField.hidden = Boolean(token);
  const name = h('input', { class: 'input', name: 'name', autocomplete: 'name' });
  const email = h('input', { class: 'input', type: 'email', name: 'email', autocomplete: 'username', required: true });
  const password = h('input', {
    class: 'input',
    type: 'password',
    name: 'password',
    autocomplete: 'new-password',
    required: true,
  });
  const failure = h('div', {});
  const submit = button('Create the administrator', { tone: 'primary wide', type: 'submit' });

  async function send(event) {
    event.preventDefault();
    submit.disabled = true;
    failure.replaceChildren();
    const credentials = { email: email.value.trim(), password: password.value };
    try {
      await post('/setup', {
        token: tokenInput.value.trim(),
        ...credentials,
        ...(name.value.trim() ? { name: name.value.trim() } : {}),
      });
      await post('/auth/login', { ...credentials, cookie: true });
      location.replace('/console/');
    } catch (problem) {
      submit.disabled = false;
      const homeless = showFieldErrors(event.target, problem.errors);
      if (homeless.length || !problem.errors?.length) failure.replaceChildren(failureOf(problem));
      if (problem.status === 401 || problem.status === 403) tokenField.hidden = false;
    }
  }

  root.replaceChildren(
    h(
      'main',
      { class: 'gate' },
      h('div', { class: 'brand' }, icon('gate', 26), 'Portcullis'),
      h(
        'div',
        { class: 'gate-card' },
        h(
          'form',
          { class: 'form', onsubmit: send },
          h(
            'div',
            {},
            h('h1', {}, 'Set up Portcullis'),
            h('p', { class: 'muted' }, 'Create the first administrator. The link works once.'),
          ),
          tokenField,
          labelled('Name', name, { optional: true }),
          labelled('Email', email),
          labelled('Password', password, { hint: 'At least 12 characters, not a common one.' }),
          failure,
          submit,
        ),
      ),
    ),
  );
  (token ? name : tokenInput).focus();
}
