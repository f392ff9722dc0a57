import { post } from '../api.js';
import { button, h, icon, labelled, notice, problemNotice, showFieldErrors } from '../main.js';

const back = () => h('a', { class: 'button wide', href: '/console/sign-in' }, 'Back to sign-in');

/** What to do where no mail is sent. */
const byHand = () =>
  h(
    'div',
    { class: 'stack' },
    h('h1', {}, 'Forgot your password?'),
    h('p', {}, 'This server sends no mail. An administrator can give you a link to choose a new password.'),
    back(),
  );

function byMail() {
  const email = h('input', { class: 'input', type: 'email', name: 'email', autocomplete: 'username', required: true });
  const failure = h('div', {});
  const submit = button('Send me a link', { tone: 'primary wide', type: 'submit' });
  const form = h(
    'form',
    { class: 'form', onsubmit: send },
    h(
      'div',
      {},
      h('h1', {}, 'Forgot your password?'),
      h('p', { class: 'muted' }, 'You get a link by mail to choose a new one.'),
    ),
    labelled('Email', email),
    failure,
    submit,
    back(),
  );

  async function send(event) {
    event.preventDefault();
    submit.disabled = true;
    failure.replaceChildren();
    try {
      await post('/auth/password/forgot', { email: email.value.trim() });
      form.replaceChildren(
        h('h1', {}, 'Look into your mail'),
        notice(
          'good',
          h(
            'p',
            { role: 'status' },
            `If ${email.value.trim()} has an account, a link is on its way. It works once, for half an hour.`,
          ),
        ),
        h('p', { class: 'muted' }, 'Nothing came? Look into the spam folder, or ask an administrator.'),
        back(),
      );
    } catch (problem) {
      submit.disabled = false;
      const homeless = showFieldErrors(form, problem.errors);
      if (homeless.length || !problem.errors?.length) failure.replaceChildren(problemNotice(problem));
    }
  }
  return form;
}

export default function forgotPasswordPage(root) {
  document.title = 'Forgot your password? · Portcullis';
  const card = document.documentElement.hasAttribute('data-mail') ? byMail() : byHand();
  root.replaceChildren(
    h(
      'main',
      { class: 'gate' },
      h('div', { class: 'brand' }, icon('gate', 26), 'Portcullis'),
      h('div', { class: 'gate-card' }, card),
    ),
  );
  card.querySelector('input')?.focus();
}
