// Who is signed in, what they may do, and whether the kill switch is on.

import { get, post, setCsrfToken, signals } from './api.js';

/** From what all may see to what few may. */
export const CLEARANCES = [
  ['public', 'Public'],
  ['internal', 'Internal'],
  ['confidential', 'Confidential'],
  ['restricted', 'Restricted'],
];

export const session = { user: null, killSwitch: null };

export function begin(me) {
  session.user = me;
  setCsrfToken(me.csrf_token);
}

export async function refreshUser() {
  begin(await get('/auth/me'));
}

function covers(held, resource, action) {
  if (held === '*') return true;
  const [heldResource, heldAction] = held.split(':');
  const resourceFits =
    heldResource === '*' ||
    heldResource === resource ||
    (heldResource === 'entities.*' && resource.startsWith('entities.'));
  return resourceFits && (heldAction === '*' || heldAction === action);
}

/** May the user do `action` on `resource`, in whatever reach? */
export function can(resource, action) {
  return (session.user?.permissions ?? []).some((held) => covers(held, resource, action));
}

let asking = false;

/** `refused`: the server has just said that it is closed. */
export async function refreshKillSwitch(refused = false) {
  if (asking) return;
  asking = true;
  if (refused) session.killSwitch = { active: true, scope: 'some' };
  try {
    if (can('kill_switch', 'read')) session.killSwitch = await get('/kill-switch');
  } catch {
    // What is known stays; the page says itself that the server does not answer.
  }
  asking = false;
  signals.dispatchEvent(new Event('kill-switch-known'));
}

export async function signOut(everywhere = false) {
  await post(everywhere ? '/auth/logout-all' : '/auth/logout');
  leave();
}

/** A fresh document, so that nothing of the old one stays in memory or behind Back. */
export function leave(wanted = '') {
  setCsrfToken('');
  document.getElementById('app').replaceChildren();
  location.replace('/console/sign-in' + (wanted ? `?to=${encodeURIComponent(wanted)}` : ''));
}
