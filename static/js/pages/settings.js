import { patch, request } from '../api.js';
import { badge, button, count, h, problemNotice, sentence } from '../main.js';
import { confirm } from '../parts/dialog.js';
import { diffTable } from '../parts/diff.js';
import { field, fieldError, form } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { auditLink, pageHead } from '../router.js';
import { can } from '../session.js';

const GROUPS = {
  limits: 'Rate limits',
  auth: 'Accounts and sessions',
  inspection: 'Request inspection',
  kill_switch: 'Kill switch',
  outbound: 'Calls that the server makes',
  log: 'Log',
  observe: 'Observe mode',
  flags: 'Flags',
};
const LABELS = {
  'limits.enabled': 'Limit requests',
  'limits.public_per_minute': 'Requests a minute without signing in',
  'limits.login_per_minute': 'Sign-ins a minute',
  'limits.roles': 'Requests a minute by role',
  'limits.routes': 'Requests a minute by route',
  'auth.signup': 'Signing up',
  'auth.access_token_minutes': 'Access tokens live, minutes',
  'auth.refresh_days': 'Refresh tokens live, days',
  'auth.session_idle_minutes': 'Sessions end unused after, minutes',
  'auth.session_max_hours': 'Sessions end in any case after, hours',
  'auth.password_min': 'Least characters of a password',
  'auth.lockout_failures': 'Failed sign-ins before a lock',
  'auth.lockout_minutes': 'A lock lasts, minutes',
  'auth.challenge_after': 'Failed sign-ins before a proof of work',
  'auth.require_mfa_roles': 'Roles that need a second factor',
  'inspection.mode': 'What happens with a finding',
  'kill_switch.allow': 'Routes that always answer',
  'outbound.allow': 'Private addresses that may be called',
  'log.level': 'What is logged, at least',
  'log.slow_ms': 'A request is slow from, milliseconds',
  flags: 'Flags',
};
const EXAMPLES = {
  'limits.roles': 'analyst_per_minute = 600',
  'limits.routes': 'POST /entities/{type} = 60',
  flags: 'new_checkout = true',
};
const SOURCES = { database: 'Changed here', file: 'From the file' };

const groupOf = (key) => key.split('.')[0];
const pointerOf = (key) => `/${key.replaceAll('.', '/')}`;
const labelOf = ({ key }) => LABELS[key] ?? sentence(key.split('.').pop());
const lines = (text) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

/** How a value stands in its field. */
function textOf({ kind, value }) {
  if (kind === 'list') return value.join('\n');
  if (kind !== 'table') return value ?? '';
  return Object.entries(value)
    .map(([name, entry]) => `${name} = ${entry}`)
    .join('\n');
}

/** What stands in a field, as the API takes it. */
function valueOf(setting, text) {
  const { kind, of, key } = setting;
  if (kind === 'switch') return text;
  if (kind === 'number') {
    if (!/^-?\d+$/.test(text.trim())) throw fieldError(pointerOf(key), `Must be ${setting.legal}.`);
    return Number(text);
  }
  if (kind === 'list') return lines(text);
  if (kind !== 'table') return text;
  return Object.fromEntries(
    lines(text).map((line) => {
      const at = line.lastIndexOf('=');
      const entry = line.slice(at + 1).trim();
      if (at < 1 || !entry) throw fieldError(pointerOf(key), `“${line}” is not of the form: ${EXAMPLES[key]}`);
      if (of.kind === 'number' && /^-?\d+$/.test(entry)) return [line.slice(0, at).trim(), Number(entry)];
      if (of.kind === 'switch' && ['true', 'false'].includes(entry)) return [line.slice(0, at).trim(), entry === 'true'];
      throw fieldError(pointerOf(key), `“${entry}” must be ${of.kind === 'number' ? 'a whole number' : 'true or false'}.`);
    }),
  );
}

/** A table's change names the entries that differ; one that is gone goes back. */
function changeOf(setting, value) {
  if (JSON.stringify(value) === JSON.stringify(setting.value)) return undefined;
  if (setting.kind !== 'table') return value;
  const gone = Object.keys(setting.value).filter((name) => !(name in value));
  const changed = Object.entries(value).filter(([name, entry]) => setting.value[name] !== entry);
  if (!gone.length && !changed.length) return undefined;
  return { ...Object.fromEntries(changed), ...Object.fromEntries(gone.map((name) => [name, null])) };
}

/** `auth.signup` and a value as a tree. */
function plant(tree, key, value) {
  const parts = key.split('.');
  const last = parts.pop();
  let place = tree;
  for (const part of parts) place = place[part] ??= {};
  place[last] = value;
}

function control(setting, allowed, goBack) {
  const { key, kind, help, legal, locked, source, origin } = setting;
  const rows = kind === 'list' || kind === 'table' ? Math.max(2, lines(String(textOf(setting))).length + 1) : undefined;
  const hints = [help];
  if (kind === 'number') hints.push(`${sentence(legal)}.`);
  if (kind === 'list') hints.push('One on each line.');
  if (kind === 'table') hints.push(`One on each line, as in ${EXAMPLES[key] ?? 'name = value'}.`);
  const spec = {
    name: key,
    label: labelOf(setting),
    hint: hints.join(' '),
    pointer: pointerOf(key),
    value: kind === 'switch' ? setting.value : String(textOf(setting)),
  };
  if (kind === 'choice')
    Object.assign(spec, { type: 'select', options: setting.of.map((word) => [word, sentence(word)]) });
  else if (kind === 'switch') spec.type = 'tick';
  else if (rows) Object.assign(spec, { type: 'textarea', rows });
  else if (kind === 'number') spec.inputmode = 'numeric';
  const node = field(spec);
  node.querySelector('input, select, textarea').disabled = locked || !allowed;
  const lockedBy = locked && h('p', { class: 'hint' }, `Locked: set by ${origin}. Change it there, then restart.`);
  const from = SOURCES[source] && badge(SOURCES[source], source === 'database' ? 'accent' : '');
  const back =
    allowed &&
    source === 'database' &&
    button('Go back', { tone: 'small', 'aria-label': `Go back: ${labelOf(setting)}`, onclick: () => goBack(setting) });
  if (from || lockedBy) node.append(h('div', { class: 'row' }, from, back, lockedBy));
  return node;
}

export default function settings({ root }) {
  const body = h('div', { class: 'stack narrow' });
  const allowed = can('settings', 'update');
  root.append(
    pageHead({
      title: 'Settings',
      lead: 'What may change while the server runs. A change holds from the next request on.',
      actions: [auditLink({ target_type: 'settings' })],
    }),
    body,
  );

  const goBack = (setting) =>
    confirm({
      title: `Go back for “${labelOf(setting)}”?`,
      text: 'What was set here is forgotten: the configuration file or the default holds again, at once.',
      verb: 'Go back',
      danger: false,
      work: async () => {
        const tree = {};
        plant(tree, setting.key, null);
        await patch('/settings', tree);
        await load();
        toast('The file or the default holds again.');
      },
    });

  async function save(outline, etag, values) {
    const [tree, before, after] = [{}, {}, {}];
    for (const setting of outline.settings) {
      if (setting.locked) continue;
      const value = valueOf(setting, values[setting.key]);
      const change = changeOf(setting, value);
      if (change === undefined) continue;
      plant(tree, setting.key, change);
      before[labelOf(setting)] = setting.value;
      after[labelOf(setting)] = value;
    }
    const changed = Object.keys(after).length;
    if (!changed) return toast('Nothing was changed.');
    const agreed = await confirm({
      title: `Change ${count(changed, 'setting')}?`,
      text: 'It holds for everybody from the next request on, and stays after a restart.',
      body: diffTable({ before, after }),
      verb: 'Save',
      danger: false,
      work: async () => {},
    });
    if (!agreed) return undefined;
    await patch('/settings', tree, { headers: { 'If-Match': etag } });
    await load();
    return toast('The settings were saved.');
  }

  async function load() {
    try {
      const { body: outline, etag } = await request('GET', '/settings');
      const groups = [...new Set(outline.settings.map(({ key }) => groupOf(key)))];
      const order = Object.keys(GROUPS);
      groups.sort((a, b) => (order.indexOf(a) + 1 || 99) - (order.indexOf(b) + 1 || 99));
      const cards = groups.map((group) =>
        h(
          'section',
          { class: 'card' },
          h('header', { class: 'card-head' }, h('h2', {}, GROUPS[group] ?? sentence(group))),
          h(
            'div',
            { class: 'card-body form' },
            outline.settings
              .filter(({ key }) => groupOf(key) === group)
              .map((setting) => control(setting, allowed, goBack)),
          ),
        ),
      );
      body.replaceChildren(
        allowed
          ? form({ submit: 'Save changes', fields: cards, send: (values) => save(outline, etag, values) })
          : h('div', { class: 'stack' }, cards),
      );
    } catch (problem) {
      body.replaceChildren(problemNotice(problem, load));
    }
  }
  load();
  return {};
}
