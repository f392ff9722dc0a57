// Audit events as sentences: "Anna changed a role".

import { sentence } from './dom.js';

const VERBS = {
  created: 'created', updated: 'changed', deleted: 'deleted', restored: 'restored', erased: 'erased', imported: 'imported', exported: 'exported', read: 'read',
  unlocked: 'unlocked', revoked: 'ended', enabled: 'enabled', disabled: 'disabled', activated: 'switched on', deactivated: 'switched off', verified: 'verified',
};
const WHOLE = {
  'auth.login': 'signed in', 'auth.logged_in': 'signed in', 'auth.logout': 'signed out', 'auth.logged_out': 'signed out', 'session.created': 'signed in', 'session.revoked': 'ended a session', 'session.ended': 'ended a session',
  'auth.login_failed': 'failed to sign in', 'auth.failed': 'failed to sign in', 'auth.password_changed': 'changed their password', 'user.password_changed': 'changed their password',
  'auth.logout_all': 'signed out everywhere', 'setup.completed': 'set up this server', 'system.setup': 'set up this server',
  'kill_switch.activated': 'switched the kill switch on', 'kill_switch.deactivated': 'switched the kill switch off', 'kill_switch.enabled': 'switched the kill switch on', 'kill_switch.disabled': 'switched the kill switch off',
  'user.roles_changed': 'changed the roles of a user', 'user.sessions_revoked': 'ended all sessions of a user', 'request.denied': 'was refused', 'access.denied': 'was refused',
};

const article = (noun) => `${/^[aeio]/.test(noun) ? 'an' : 'a'} ${noun}`;

function objectOf({ target, changes }, noun) {
  const name = changes?.after?.name ?? changes?.after?.email ?? changes?.before?.name ?? changes?.before?.email;
  if (name && typeof name === 'string') return `${noun} ${name}`;
  return target?.type === 'role' && target.id ? `${noun} ${target.id}` : article(noun);
}

export const actorName = ({ actor }) => actor?.label || { cli: 'The command line', system: 'The system', anonymous: 'Someone not signed in', api_key: 'An API key' }[actor?.type] || 'A user';

export function sentenceOf(event) {
  const who = actorName(event);
  const tried = { denied: 'was not allowed: ', failed: 'did not succeed: ' }[event.outcome] ?? '';
  const whole = WHOLE[event.action];
  if (whole) return `${who} ${tried && !/failed|refused/.test(whole) ? tried : ''}${whole}`;
  const dot = event.action.lastIndexOf('.');
  const noun = event.action.slice(0, dot).split('.')[0].replaceAll('_', ' ');
  const verb = VERBS[event.action.slice(dot + 1)];
  if (!verb || dot < 0) return `${who}: ${tried}${sentence(event.action).toLowerCase()}`;
  return `${who} ${tried}${verb} ${objectOf(event, noun)}`;
}
