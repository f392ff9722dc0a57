import { get, put } from '../api.js';
import { badge, facts, h, notice, problemNotice, time } from '../main.js';
import { field, fieldError, form } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { auditLink, pageHead } from '../router.js';
import { can, refreshKillSwitch, session } from '../session.js';

const SCOPES = [
  ['all', 'Everything: all traffic'],
  ['writes', 'Changes only: reading goes on'],
  ['signups', 'Signing up only'],
  ['api_keys', 'API keys only'],
];
const EXPIRIES = [
  ['', 'Until someone switches it off'],
  ['15', 'After 15 minutes'],
  ['60', 'After an hour'],
  ['480', 'After 8 hours'],
  ['1440', 'After a day'],
];
const CONSEQUENCE = {
  all: 'Every caller is refused at once with 503, users and API keys alike; background jobs pause. This console, health checks and metrics go on for those who may switch it off again.',
  signups: 'Nobody can make an account for themselves; everything else goes on.',
  api_keys:
    'Every call by an API key is refused at once with 503, but for those of keys that may use this switch. People go on.',
  type: 'Nobody can read or change these entities, and batches of changes wait; everything else goes on.',
  writes: 'Everyone can still read. Every change is refused at once with 503 until the switch is off.',
};
const scopeText = (scope) =>
  ({ all: 'All traffic', writes: 'Changes', signups: 'Sign-ups', api_keys: 'API keys' })[scope] ??
  scope?.replace('type:', 'Access to ');

/** Under an elevation the proof was given already. */
const password = () =>
  !session.user.elevation &&
  field({
    name: 'password',
    label: 'Your password',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
    hint: 'Asked for anew, so that an open browser is not enough.',
  });
const reason = (hint) => field({ name: 'reason', label: 'Reason', required: true, autocomplete: 'off', hint });

function checked({ reason: why, password: secret }) {
  if (!why.trim()) throw fieldError('/reason', 'Say why; it is written to the audit log.');
  if (!secret && !session.user.elevation) throw fieldError('/password', 'Enter your password.');
}

const SUBMIT = {
  all: 'Switch on and stop all traffic',
  writes: 'Switch on and stop changes',
  signups: 'Switch on and stop signing up',
  api_keys: 'Switch on and stop API keys',
};
const kindOf = (scope) => scope.split(':')[0];

function activation(done, types) {
  const consequence = h('p', {}, CONSEQUENCE.all);
  const node = form({
    submit: 'Switch on and stop all traffic',
    tone: 'danger',
    fields: [
      field({ name: 'scope', label: 'What stops', type: 'select', options: [...SCOPES, ...types], value: 'all' }),
      notice('caution', h('p', { class: 'strong' }, 'What will happen'), consequence),
      reason('Everyone who is refused reads it.'),
      field({ name: 'expires', label: 'Ends by itself', type: 'select', options: EXPIRIES }),
      password(),
    ].filter(Boolean),
    send: async (values) => {
      checked(values);
      const { scope, expires } = values;
      const expiry = expires && { expires_at: new Date(Date.now() + Number(expires) * 60000).toISOString() };
      await put('/kill-switch', {
        active: true,
        scope,
        reason: values.reason.trim(),
        ...(values.password && { password: values.password }),
        ...expiry,
      });
      toast('The kill switch is on.');
      done();
    },
  });
  node.elements.scope.addEventListener('change', ({ target }) => {
    consequence.textContent = CONSEQUENCE[kindOf(target.value)];
    node.querySelector('.button.danger').textContent = SUBMIT[target.value] ?? 'Switch on and stop access';
  });
  return node;
}

function deactivation(done) {
  return form({
    submit: 'Switch off and let traffic in',
    fields: [reason('It is written to the audit log.'), password()].filter(Boolean),
    send: async (values) => {
      checked(values);
      await put('/kill-switch', { active: false, reason: values.reason.trim(), ...(values.password && { password: values.password }) });
      toast('The kill switch is off. Traffic flows again.');
      done();
    },
  });
}

function stateOf(state) {
  return h(
    'section',
    { class: 'card' },
    h(
      'header',
      { class: 'card-head' },
      h('h2', {}, 'State'),
      badge(state.active ? 'On' : 'Off', state.active ? 'danger' : 'good'),
    ),
    h(
      'div',
      { class: 'card-body' },
      state.active
        ? facts([
            ['Stopped', scopeText(state.scope)],
            ['Reason', state.reason],
            ['By', state.activated_by?.label ?? state.activated_by?.email ?? state.activated_by],
            ['Since', state.activated_at && time(state.activated_at, { full: true })],
            ['Ends', state.expires_at ? time(state.expires_at, { full: true }) : 'When someone switches it off'],
          ])
        : h(
            'p',
            {},
            'Traffic flows. Use the switch when something is wrong and everything must stop now: a leaked key, a bad import, an intruder.',
          ),
    ),
  );
}

/** Each entity type can be closed for itself; a list that does not come must not keep the switch from being used. */
async function scopesOfTypes() {
  try {
    const { items } = await get('/entity-types', { limit: 200 });
    return items.map(({ name }) => [`type:${name}`, `Access to ${name} only`]);
  } catch {
    return [];
  }
}

export default function killSwitch({ root }) {
  const body = h('div', { class: 'stack narrow' });
  root.append(
    pageHead({
      title: 'Kill switch',
      actions: [auditLink({ target_type: 'kill_switch' })],
    }),
    body,
  );

  const done = async () => {
    await refreshKillSwitch();
    await load();
  };

  async function load() {
    try {
      const state = await get('/kill-switch');
      const allowed = can('kill_switch', 'write');
      const change = allowed
        ? h(
            'section',
            { class: 'card' },
            h('header', { class: 'card-head' }, h('h2', {}, state.active ? 'Switch it off' : 'Switch it on')),
            h('div', { class: 'card-body' }, state.active ? deactivation(done) : activation(done, await scopesOfTypes())),
          )
        : notice('', h('p', {}, 'Your role may see the switch but not use it.'));
      body.replaceChildren(stateOf(state), change);
    } catch (problem) {
      body.replaceChildren(problemNotice(problem, load));
    }
  }
  load();
  return {};
}
