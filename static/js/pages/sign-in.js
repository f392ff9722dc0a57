import { post } from '../api.js';
import { button, h, icon, labelled, problemNotice } from '../main.js';

/** Only a path of this console: an address from the query must not lead elsewhere. */
function wantedPlace() {
  const wanted = new URLSearchParams(location.search).get('to') ?? '';
  const target = new URL(wanted || '/console/', location.origin);
  return target.origin === location.origin && target.pathname.startsWith('/console/')
    ? target.pathname + target.search
    : '/console/';
}

/** The work that the server asks for after failed tries, done beside the page. */
function solve({ salt, difficulty }) {
  return new Promise((resolve, reject) => {
    const worker = new Worker('/console/js/challenge-worker.js');
    worker.addEventListener('error', () => reject(new Error('The challenge could not be solved.')));
    worker.addEventListener('message', ({ data }) => {
      worker.terminate();
      resolve({ salt, nonce: data });
    });
    worker.postMessage({ salt, difficulty });
  });
}

async function signIn(credentials) {
  try {
    return await post('/auth/login', { ...credentials, cookie: true });
  } catch (problem) {
    if (problem.code !== 'challenge_required' || !problem.body.challenge || credentials.challenge) throw problem;
    return signIn({ ...credentials, challenge: await solve(problem.body.challenge) });
  }
}

/** Six digits are a code of the app, anything else is a recovery code. */
function factorOf(text) {
  const plain = text.replace(/\s/g, '');
  return /^\d{6}$/.test(plain) ? { totp: plain } : { recovery_code: plain };
}

function countDown(problem, place, submit) {
  let left = problem.retryAfter;
  const words = () => `Too many tries. Wait ${left} ${left === 1 ? 'second' : 'seconds'}, then try again.`;
  const line = h('span', {}, words());
  const note = h('div', { class: 'notice caution' }, icon('alert'), line);
  place.replaceChildren(h('p', { class: 'visually-hidden', role: 'alert' }, words()), note);
  submit.disabled = true;
  const timer = setInterval(() => {
    left -= 1;
    line.textContent = words();
    if (left > 0) return;
    clearInterval(timer);
    place.replaceChildren();
    submit.disabled = false;
  }, 1000);
}

export default function signInPage(root) {
  document.title = 'Sign in · Portcullis';
  const email = h('input', { class: 'input', type: 'email', name: 'email', autocomplete: 'username', required: true });
  const password = h('input', {
    class: 'input',
    type: 'password',
    name: 'password',
    autocomplete: 'current-password',
    required: true,
  });
  const code = h('input', { class: 'input', name: 'totp', autocomplete: 'one-time-code' });
  const codeField = labelled('Code from your authenticator app', code, { hint: 'Or one of your recovery codes.' });
  codeField.hidden = true;
  const failure = h('div', {});
  const submit = button('Sign in', { tone: 'primary wide', type: 'submit' });

  function fail(problem) {
    if (problem.code === 'mfa_required') {
      codeField.hidden = false;
      code.focus();
    } else if (problem.status === 429 && problem.retryAfter) countDown(problem, failure, submit);
    else {
      failure.replaceChildren(problemNotice(problem));
      (codeField.hidden ? password : code).select();
    }
  }

  async function send(event) {
    event.preventDefault();
    submit.disabled = true;
    failure.replaceChildren();
    try {
      await signIn({
        email: email.value.trim(),
        password: password.value,
        ...(codeField.hidden ? {} : factorOf(code.value)),
      });
      location.replace(wantedPlace());
    } catch (problem) {
      submit.disabled = false;
      fail(problem);
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
          h('div', {}, h('h1', {}, 'Sign in'), h('p', { class: 'muted' }, 'To the administration console')),
          labelled('Email', email),
          labelled('Password', password),
          codeField,
          failure,
          submit,
        ),
      ),
      document.documentElement.hasAttribute('data-mail')
        ? h('p', { class: 'gate-note' }, h('a', { href: '/console/forgot-password' }, 'Forgot password?'))
        : h('p', { class: 'gate-note' }, 'Locked out? Whoever runs the server can issue a new password link.'),
    ),
  );
  email.focus();
}
