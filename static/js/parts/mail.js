// Where mail goes out, and a test of it.

import { get, post } from '../api.js';
import { badge, facts, h, notice } from '../main.js';
import { session } from '../session.js';
import { field, form } from './form.js';

/** Fills `place` with what there is to say of mail. */
export async function showMail(place, mayTest) {
  const { configured, server, from } = await get('/mail');
  if (!configured) {
    const text =
      'No mail is sent: links to choose a password are handed over by an administrator. Set mail.smtp_url and mail.from in the configuration to change that.';
    return place.replaceChildren(facts([['Mail', badge('Off')]]), h('p', { class: 'muted' }, text));
  }
  const outcome = h('div', { 'aria-live': 'polite' });
  const test = form({
    submit: 'Send a test',
    tone: '',
    fields: [field({ name: 'to', label: 'Send a test to', type: 'email', value: session.user.email, required: true })],
    send: async ({ to }) => {
      outcome.replaceChildren();
      const { sent, message } = await post('/mail/test', { to: to.trim() });
      outcome.replaceChildren(
        sent
          ? notice('good', h('p', {}, `The mail server took a test mail for ${to.trim()}.`))
          : notice('danger', h('p', { class: 'strong' }, 'The test mail was not sent.'), h('p', {}, message)),
      );
    },
  });
  return place.replaceChildren(
    facts([
      ['Mail', badge('On', 'good')],
      ['Server', server],
      ['From', from],
    ]),
    mayTest ? test : '',
    outcome,
  );
}
