// Who is signed in, what they may do, and whether the kill switch is on. Permissions in words, for every page.

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
  // Notices then offer to explain themselves.
  document.documentElement.toggleAttribute('data-explains', can('decisions', 'read'));
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

/* Permissions in words: `entities.customers:update:own` is "update own customers" */

const list = (words) => (words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`);

export function parsePermission(text) {
  if (text === '*') return { resource: '*', action: '*', reach: 'any' };
  const [resource, action, ...reach] = text.split(':');
  return { resource, action, reach: reach.join(':') || 'any' };
}

function nounOf(resource, reach) {
  if (resource === 'entities.*') return reach === 'own' ? 'own entities of every type' : 'entities of every type';
  const noun = resource.replace(/^entities\./, '').replace(/[_-]/g, ' ');
  return reach === 'own' ? `own ${noun}` : noun;
}

function condition(reach) {
  const rule = /^where\((.*)\)$/s.exec(reach)?.[1];
  return rule
    ? ` where ${rule
        .replace(/@user\./g, 'their ')
        .replaceAll('data.', '')
        .replaceAll(' = ', ' is ')
        .replaceAll(' != ', ' is not ')}`
    : '';
}

/** `own or where(…)` as its parts. */
export const reachParts = (reach) => reach.split(/ or (?=own(?: or |$)|where\()/);

/** For which of them, in words. */
export const reachWords = (reach) =>
  reachParts(reach)
    .map((part) => (part === 'own' ? 'their own' : `those${condition(part)}`))
    .join(' or ');

/** One sentence for each resource and reach: "Can read and update own customers". */
export function sentencesOf(permissions = []) {
  const groups = new Map();
  for (const text of permissions) {
    const { resource, action, reach } = parsePermission(text);
    if (resource === '*') return ['Can do everything'];
    const key = `${resource} ${reach}`;
    if (!groups.has(key)) groups.set(key, { resource, reach, actions: [] });
    groups.get(key).actions.push(action === '*' ? 'do everything with' : action);
  }
  return [...groups.values()].map(
    ({ resource, reach, actions }) => `Can ${list(actions)} ${nounOf(resource, reach)}${condition(reach)}`,
  );
}

export const summaryOf = (permissions) => {
  const all = sentencesOf(permissions);
  if (!all.length) return 'Nothing yet';
  return all.length > 2 ? `${all.slice(0, 2).join(' · ')} · ${all.length - 2} more` : all.join(' · ');
};
