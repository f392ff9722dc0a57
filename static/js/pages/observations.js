import { get, post, request, segment } from '../api.js';
import { badge, button, count, emptyState, h, number, problemNotice, sentence, time } from '../main.js';
import { confirm } from '../parts/dialog.js';
import { changeTable } from '../parts/diff.js';
import { toast } from '../parts/toast.js';
import { auditLink, pageHead, to } from '../router.js';
import { can, refreshUser } from '../session.js';

const ACTS = { read: 'reading', create: 'creating', update: 'changing', delete: 'deleting', export: 'exporting' };
const noun = (name) => (name === '*' ? 'entities of every type' : name.replace(/[_-]/g, ' '));

/** A rule by its name, in words. */
export function ruleWords(rule) {
  const [family, ...rest] = rule.split('.');
  const name = rest.join('.');
  if (rule === 'auth.enforcement') return 'A good credential on the types that are being rolled out';
  if (rule === 'inspection') return 'What inspection finds in requests';
  if (family === 'inspection') return `What inspection finds in ${noun(name)}`;
  if (rule === 'limits.public') return 'The limit for requests without signing in';
  if (name.startsWith('roles.')) return `The limit for the role ${sentence(name.slice(6))}`;
  if (name.startsWith('routes.')) return `The limit of ${name.slice(7).replace('/api/v1', '')}`;
  const permission = /^entities\.(.+):(\w+)$/.exec(name);
  if (family === 'permissions' && permission) return `The permission for ${ACTS[permission[2]]} ${noun(permission[1])}`;
  if (rule === 'validators.password_common') return 'Refusing the most common passwords';
  if (name.startsWith('schema.')) return `The schema of ${noun(name.slice(7))}`;
  return sentence(rule);
}

/** The change that lets a rule refuse: the patch, and what differs in words. */
async function enforcing({ rule, by }) {
  const { body, etag } = await request('GET', '/settings');
  const held = (key) => body.settings.find((setting) => setting.key === key);
  if (by === 'observe.rules') {
    const setting = held('observe.rules');
    const rules = setting.value.filter((name) => name !== rule);
    const row = { label: 'Rules in observe mode', before: setting.value, after: rules };
    return { etag, setting, patch: { observe: { rules } }, row };
  }
  const [section, name] = by.split('.');
  const after = by === 'inspection.mode' ? 'block' : 'enforce';
  const setting = held(by);
  const label = by === 'inspection.mode' ? 'What happens with a finding' : 'Whether a good credential is needed';
  return { etag, setting, patch: { [section]: { [name]: after } }, row: { label, before: setting.value, after } };
}

async function enforce(observation, done) {
  const { etag, setting, patch: body, row } = await enforcing(observation);
  if (setting.locked) return toast(`It was set from outside, by ${setting.origin}: change it there, then restart.`);
  return confirm({
    title: 'Enforce this rule?',
    text: `${ruleWords(observation.rule)}: from the next request on it refuses what it only counted until now. It would have refused ${count(observation.count, 'request')}.`,
    body: changeTable([row]),
    verb: 'Enforce',
    work: async () => {
      await request('PATCH', '/settings', { body, headers: { 'If-Match': etag } });
      toast('The rule is enforced.');
      await done();
    },
  });
}

const reset = (observation, done) =>
  confirm({
    title: 'Count anew?',
    text: `${ruleWords(observation.rule)}: the count of ${number(observation.count)} and its examples are forgotten. That cannot be undone.`,
    verb: 'Reset',
    work: async () => {
      await post(`/observations/${segment(observation.rule)}/reset`);
      toast('It is counted anew.');
      await done();
    },
  });

function example({ at, route, caller, detail, request_id: request }) {
  const audit = request && can('audit', 'read') && h('a', { href: to('audit', { request_id: request }) }, 'Its events');
  return h(
    'li',
    {},
    h('div', { class: 'grow break' }, h('div', {}, `${caller} · ${route}`), h('div', { class: 'faint small' }, detail)),
    h('div', { class: 'stack-tight end' }, time(at), audit),
  );
}

function stateOf({ by, rule }) {
  if (by === 'entity_type')
    return [
      badge('Observing', 'caution'),
      h('a', { href: to('entity-types', { open: rule.split('.')[1] }) }, 'By the mode of its type'),
    ];
  return [by ? badge('Observing', 'caution') : badge('Enforced', 'good')];
}

function card(observation, done) {
  const { rule, by, count: times, first_seen: first, last_seen: last, examples } = observation;
  const seen = times
    ? ['Would have refused ', h('strong', {}, count(times, 'request')), ', first ', time(first), ', last ', time(last), '.']
    : ['Would have refused nothing so far.'];
  return h(
    'section',
    { class: 'card', 'aria-label': ruleWords(rule) },
    h(
      'header',
      { class: 'card-head' },
      h('div', { class: 'grow' }, h('h2', {}, ruleWords(rule)), h('code', { class: 'faint small break' }, rule)),
      h('div', { class: 'row' }, stateOf(observation)),
    ),
    h(
      'div',
      { class: 'card-body stack' },
      h('p', {}, seen),
      examples.length
        ? h(
            'details',
            {},
            h('summary', {}, `The latest ${count(examples.length, 'example')}`),
            h('ul', { class: 'lines' }, examples.map(example)),
          )
        : '',
      h(
        'div',
        { class: 'row' },
        by &&
          by !== 'entity_type' &&
          can('settings', 'update') &&
          button('Enforce', {
            tone: 'small',
            'aria-label': `Enforce: ${ruleWords(rule)}`,
            onclick: () => enforce(observation, done),
          }),
        times > 0 &&
          can('observations', 'write') &&
          button('Reset', {
            tone: 'small',
            'aria-label': `Reset: ${ruleWords(rule)}`,
            onclick: () => reset(observation, done),
          }),
      ),
    ),
  );
}

const nothing = () =>
  emptyState({
    icon: 'info',
    title: 'Every rule is enforced',
    text: 'A limit, permission, validator or inspection can be tried out first: in observe mode it lets through and counts what it would have refused.',
    action: can('settings', 'read') && h('a', { class: 'button', href: to('settings') }, 'Go to the settings'),
  });

export default function observations({ root }) {
  const body = h('div', { class: 'stack' });
  root.append(
    pageHead({
      title: 'Observations',
      lead: 'What rules in observe mode let through and would have refused.',
      actions: [auditLink({ target_type: 'observation' })],
    }),
    body,
  );
  const done = async () => {
    await Promise.all([load(), refreshUser()]);
    document.dispatchEvent(new Event('observing-known'));
  };
  async function load() {
    try {
      const { items } = await get('/observations');
      const cards = items.map((observation) => card(observation, done));
      body.replaceChildren(...(cards.length ? cards : [h('section', { class: 'card' }, nothing())]));
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      body.replaceChildren(problemNotice(problem, load));
    }
  }
  load();
  return { refresh: load };
}
