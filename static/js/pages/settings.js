import { patch, request } from '../api.js';
import { badge, button, count, h, problemNotice, sentence } from '../main.js';
import { confirm } from '../parts/dialog.js';
import { changeTable } from '../parts/diff.js';
import { field, fieldError, form } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { auditLink, pageHead } from '../router.js';
import { tableEditor } from '../parts/table-editor.js';
import { can, refreshUser } from '../session.js';

const GROUPS = {
  limits: 'Rate limits',
  auth: 'Accounts and sessions',
  inspection: 'Request inspection',
  secrets: 'Keys of this instance',
  alerts: 'Alerts',
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
  'auth.enforcement': 'Whether a good credential is needed',
  'auth.observe_types': 'Types on which that is tried out',
  'auth.observe_role': 'Role that stands in while it is tried out',
  'alerts.to': 'Mail addresses that are told',
  'alerts.error_rate_percent': 'Percent of requests that fail (0: never)',
  'alerts.slow_p95_ms': 'Answers are slow from, milliseconds (0: never)',
  'alerts.failed_log_ins': 'Failed sign-ins in ten minutes (0: never)',
  'alerts.disk_free_percent': 'Percent of the disk that is left (0: never)',
  'alerts.key_age_days': 'Age of the oldest key, days (0: never)',
  'alerts.key_expiry_days': 'Days before an API key expires (0: never)',
  'alerts.backup_age_hours': 'Age of the last good backup, hours (0: never)',
  'secrets.rotate_days': 'Keys are rotated by themselves after, days (0: never)',
  'observe.rules': 'Rules in observe mode',
  'inspection.mode': 'What happens with a finding',
  'inspection.routes': 'What happens with a finding, by route',
  'kill_switch.allow': 'Routes that always answer',
  'outbound.allow': 'Private addresses that may be called',
  'log.bodies': 'Log bodies, masked',
  'log.level': 'What is logged, at least',
  'log.slow_ms': 'A request is slow from, milliseconds',
  flags: 'Flags',
};
/** What the entries of a table are, and what each holds. */
const TABLES = {
  'limits.roles': { entry: 'Role', example: 'analyst_per_minute', hint: 'For each user of a role, which is written as in analyst_per_minute.', value: 'Requests a minute', add: 'Add a role' },
  'limits.routes': { entry: 'Route', route: true, hint: 'For each caller; those who are not signed in count by their address.', value: 'Requests a minute', add: 'Add a route' },
  'inspection.routes': { entry: 'Route', route: true, hint: 'In place of what holds for the whole server. Entities follow their type.', value: 'What happens', add: 'Add a route' },
  flags: { entry: 'Flag', example: 'new_checkout', value: 'On or off', add: 'Add a flag' },
};
const HINTS = {
  'auth.enforcement': 'Everywhere, or only counted on some types while a gradual change is tried out; not in production.',
  'auth.observe_types': 'Requests for their entities without a good credential are let through and counted.',
  'auth.observe_role': 'What such requests may do; a role that holds nothing but data.',
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
  return kind === 'list' ? value.join('\n') : (value ?? '');
}

/** What stands in a field, as the API takes it. */
function valueOf({ kind, key, legal, value }, text) {
  // Nothing typed where nothing was set is no change.
  if (text === '' && value === null) return null;
  if (kind === 'number') {
    if (!/^-?\d+$/.test(text.trim())) throw fieldError(pointerOf(key), `Must be ${legal}.`);
    return Number(text);
  }
  return kind === 'list' ? lines(text) : text;
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** A table's entries that differ, each on its own; one that is gone goes back to what the file says. */
function entriesChanged(setting, entries) {
  const names = [...new Set([...Object.keys(setting.value), ...Object.keys(entries)])];
  return names
    .filter((name) => !same(setting.value[name], entries[name]))
    .map((name) => ({
      label: `${labelOf(setting)} › ${name}`,
      value: entries[name] ?? null,
      path: [...setting.key.split('.'), name],
      before: setting.value[name],
      after: entries[name],
      had: name in setting.value,
      has: name in entries,
    }));
}

function changesOf(setting, values, editors) {
  if (setting.locked) return [];
  if (setting.kind === 'table') return entriesChanged(setting, editors.get(setting.key).value());
  const value = valueOf(setting, values[setting.key]);
  if (same(value, setting.value)) return [];
  return [{ label: labelOf(setting), value, path: setting.key.split('.'), before: setting.value, after: value }];
}

/** A value at its place in a tree. */
function plant(tree, path, value) {
  let place = tree;
  for (const part of path.slice(0, -1)) place = place[part] ??= {};
  place[path.at(-1)] = value;
}

const known = (words) => words.map((word) => [word, sentence(word)]);

/** Where the value comes from, and the way back to what the file says. */
function standing(setting, allowed, goBack) {
  const { kind, locked, source, origin } = setting;
  const lockedBy = locked && h('p', { class: 'hint' }, `Locked: set by ${origin}. Change it there, then restart.`);
  const from = SOURCES[source] && badge(SOURCES[source], source === 'database' ? 'accent' : '');
  const back =
    allowed &&
    source === 'database' &&
    kind !== 'table' &&
    button('Go back', { tone: 'small', 'aria-label': `Go back: ${labelOf(setting)}`, onclick: () => goBack(setting) });
  return from || lockedBy ? h('div', { class: 'row' }, from, back, lockedBy) : '';
}

function control(setting, { allowed, goBack, editors }) {
  const { key, kind, help, legal, locked, value, of } = setting;
  const disabled = locked || !allowed;
  const spec = { name: key, label: labelOf(setting), hint: HINTS[key] ?? help, pointer: pointerOf(key) };
  if (kind === 'table') {
    const words = TABLES[key] ?? { entry: 'Name', value: 'Value', add: 'Add one' };
    const editor = tableEditor({ ...spec, ...words, of, disabled }, value, setting.entries);
    editors.set(key, editor);
    editor.node.append(standing(setting, allowed, goBack));
    return editor.node;
  }
  spec.value = kind === 'switch' ? value : String(textOf(setting));
  if (kind === 'number') Object.assign(spec, { inputmode: 'numeric', hint: `${spec.hint} ${sentence(legal)}.` });
  else if (kind === 'choice') Object.assign(spec, { type: 'select', options: known(of) });
  else if (kind === 'switch') spec.type = 'tick';
  else if (kind === 'list')
    Object.assign(spec, {
      type: 'textarea',
      rows: Math.max(2, lines(spec.value).length + 1),
      hint: `${spec.hint} One on each line.`,
    });
  const node = field(spec);
  node.querySelector('input, select, textarea').disabled = disabled;
  node.append(standing(setting, allowed, goBack));
  return node;
}

export default function settings({ root }) {
  const body = h('div', { class: 'stack narrow' });
  const allowed = can('settings', 'update');
  const editors = new Map();
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
        plant(tree, setting.key.split('.'), null);
        await patch('/settings', tree);
        await saved('The file or the default holds again.');
      },
    });

  async function saved(words) {
    await Promise.all([load(), refreshUser()]);
    document.dispatchEvent(new Event('observing-known'));
    toast(words);
  }

  async function save(outline, etag, values) {
    const changes = outline.settings.flatMap((setting) => changesOf(setting, values, editors));
    if (!changes.length) return toast('Nothing was changed.');
    const tree = {};
    for (const { path, value } of changes) plant(tree, path, value);
    const agreed = await confirm({
      title: `Change ${count(changes.length, 'setting')}?`,
      text: 'It holds for everybody from the next request on, and stays after a restart.',
      body: changeTable(changes),
      verb: 'Save',
      danger: false,
      work: async () => {},
    });
    if (!agreed) return undefined;
    await patch('/settings', tree, { headers: { 'If-Match': etag } });
    return saved('The settings were saved.');
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
              .map((setting) => control(setting, { allowed, goBack, editors })),
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
