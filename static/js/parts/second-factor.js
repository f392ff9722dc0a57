// Setting up a second factor: the picture for the app, a first code, the recovery codes.

import { post } from '../api.js';
import { button, copyable, h, icon, problemNotice, svg } from '../main.js';
import { begin, refreshUser, signOut } from '../session.js';
import { field, form } from './form.js';

function picture({ size, path }) {
  return svg(
    'svg',
    { class: 'qr', viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': 'QR code for your authenticator app' },
    svg('rect', { width: size, height: size, fill: '#fff' }),
    svg('path', { d: path, fill: '#000' }),
  );
}

/** Codes that are shown this once. */
export function recoveryCodes(codes, done) {
  const copy = button('Copy', {
    glyph: 'copy',
    onclick: async () => {
      await navigator.clipboard?.writeText(codes.join('\n'));
      copy.replaceChildren(icon('check'), 'Copied');
    },
  });
  return h(
    'div',
    { class: 'stack' },
    h('p', {}, 'Keep these recovery codes apart from your phone. Each signs you in once when the app is lost.'),
    h(
      'div',
      { class: 'printed' },
      h('p', { class: 'small muted' }, `Recovery codes for ${location.host}`),
      h(
        'ul',
        { class: 'codes' },
        codes.map((code) => h('li', {}, h('code', {}, code))),
      ),
    ),
    h(
      'div',
      { class: 'row row-end' },
      copy,
      button('Print', { onclick: () => window.print() }),
      button('I kept them', { tone: 'primary', onclick: done }),
    ),
  );
}

/** Fills `place` from the picture to the recovery codes; `done` once those are kept. */
export async function enrol(place, done) {
  let begun;
  try {
    begun = await post('/auth/mfa/totp');
  } catch (problem) {
    place.replaceChildren(problemNotice(problem, () => enrol(place, done)));
    return;
  }
  const confirmation = form({
    submit: 'Turn on',
    fields: [
      field({ name: 'totp', label: 'Code from the app', inputmode: 'numeric', autocomplete: 'one-time-code' }),
    ],
    send: async ({ totp }) => {
      const { recovery_codes } = await post('/auth/mfa/confirm', { totp: totp.trim() });
      place.replaceChildren(recoveryCodes(recovery_codes, done));
    },
  });
  place.replaceChildren(
    h('p', {}, 'Scan this with an authenticator app, or type the key into it.'),
    picture(begun.qr),
    copyable(begun.secret, 'Copy the key'),
    confirmation,
  );
  confirmation.querySelector('input').focus();
}

/** All that the console shows to somebody whose role takes a second factor that is not there yet. */
export async function enrolGate(root, me) {
  document.title = 'Set up a second factor · Portcullis';
  begin(me);
  const place = h('div', { class: 'stack' });
  root.replaceChildren(
    h(
      'main',
      { class: 'gate' },
      h('div', { class: 'brand' }, icon('gate', 26), 'Portcullis'),
      h(
        'div',
        { class: 'gate-card stack' },
        h('h1', {}, 'Set up a second factor'),
        h('p', { class: 'muted' }, 'Your role takes one beside the password.'),
        place,
      ),
      button('Sign out', { tone: 'quiet', onclick: () => signOut() }),
    ),
  );
  await enrol(place, async () => {
    await refreshUser();
    location.reload();
  });
}
