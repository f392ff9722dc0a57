// One webhook: make, see, change, try out, rotate, remove. Its secret is shown once.

import { get, patch, post, remove, segment } from '../api.js';
import { button, copyable, count, facts, h, notice, time } from '../main.js';
import { EVENTS, stateOf, wordsOf } from '../pages/webhooks.js';
import { deliveries } from '../parts/deliveries.js';
import { attempt, confirm, openDialog, recordDrawer, showOnce } from '../parts/dialog.js';
import { field, form } from '../parts/form.js';
import { toast } from '../parts/toast.js';
import { auditLink } from '../router.js';
import { can } from '../session.js';

const OVERLAPS = [
  ['0', 'At once'],
  ['60', 'In an hour'],
  ['1440', 'In a day'],
  ['10080', 'In a week'],
];
const KNOWN = EVENTS.map(([pattern]) => pattern);

function giveSecret({ name, secret }) {
  showOnce({
    title: `The secret of ${name}`,
    text: 'Copy it to the program that is called, which verifies signatures with it. It is not shown again.',
    secret,
  });
}

const wordsIn = (text = '') => text.split(/[\s,]+/).filter(Boolean);

const filterOf = ({ targets, outcomes = [] }) => ({ target_types: wordsIn(targets), outcomes });

const OUTCOMES = [
  ['success', 'What went well'],
  ['denied', 'What was refused'],
  ['failed', 'What failed'],
];

const patternsOf = ({ events = [], others = '' }) => [
  ...new Set([...events, ...wordsIn(others)]),
];

function settings(hook) {
  const patterns = hook?.events ?? [];
  return [
    field({
      name: 'name',
      label: 'Name',
      hint: hook ? null : 'Who hears of it, such as Chat of the team',
      value: hook?.name ?? '',
      required: true,
      autocomplete: 'off',
    }),
    field({
      name: 'url',
      label: 'Address to call',
      type: 'url',
      hint: 'http or https. Private addresses are refused unless the configuration allows them.',
      value: hook?.url ?? '',
      required: true,
      autocomplete: 'off',
      spellcheck: 'false',
    }),
    field({
      type: 'choices',
      name: 'events',
      label: 'It hears of',
      options: EVENTS,
      value: patterns,
    }),
    field({
      name: 'others',
      label: 'Single actions',
      optional: true,
      pointer: '/others',
      hint: 'As the audit log names them, such as user.created, entity.deleted',
      value: patterns.filter((pattern) => !KNOWN.includes(pattern)).join(', '),
      autocomplete: 'off',
      spellcheck: 'false',
    }),
    field({
      name: 'targets',
      label: 'Only of these',
      optional: true,
      pointer: '/filter/target_types',
      hint: 'Entity types, or kinds of things such as user and role. Empty: of all',
      value: (hook?.filter.target_types ?? []).join(', '),
      autocomplete: 'off',
      spellcheck: 'false',
    }),
    field({
      type: 'choices',
      name: 'outcomes',
      label: 'Only when it ends so',
      hint: 'None chosen: however it ends',
      options: OUTCOMES,
      value: hook?.filter.outcomes ?? [],
    }),
  ];
}

/** A refused pattern is shown at the field for all of them. */
async function atFields(work) {
  try {
    return await work();
  } catch (problem) {
    for (const error of problem.errors ?? []) {
      if (/^\/events\/\d+$/.test(error.pointer)) error.pointer = '/others';
    }
    throw problem;
  }
}

function newHook(drawer, changed) {
  drawer.body.replaceChildren(
    form({
      submit: 'Create the webhook',
      drawer,
      fields: settings(),
      send: async (values) => {
        const body = { name: values.name, url: values.url.trim(), events: patternsOf(values), filter: filterOf(values) };
        const made = await atFields(() => post('/webhooks', body));
        drawer.close();
        changed();
        giveSecret(made);
      },
    }),
  );
  drawer.body.querySelector('input').focus();
}

function drop(hook, drawer, changed) {
  return confirm({
    title: `Remove the webhook ${hook.name}?`,
    text: 'Nothing more is sent, what waits is dropped, and the log of its deliveries goes. This cannot be undone.',
    verb: 'Remove webhook',
    work: async () => {
      await remove(`/webhooks/${hook.id}`);
      drawer.close();
      changed();
      toast(`${hook.name} was removed.`);
    },
  });
}

function rotate(hook, drawer, changed) {
  const text = 'It gets a new secret. Until the old one ends each call carries both signatures.';
  const body = h('div', { class: 'stack' }, h('p', {}, text));
  const box = openDialog({ title: `Rotate the secret of ${hook.name}?`, body });
  const choice = form({
    submit: 'Rotate secret',
    drawer: box,
    actions: [button('Cancel', { onclick: box.close })],
    fields: [
      field({
        name: 'overlap',
        label: 'The old secret ends',
        type: 'select',
        options: OVERLAPS,
        value: '1440',
        pointer: '/overlap_minutes',
      }),
    ],
    send: async ({ overlap }) => {
      const rotated = await post(`/webhooks/${hook.id}/rotate`, { overlap_minutes: Number(overlap) });
      box.close();
      drawer.close();
      changed();
      giveSecret(rotated);
    },
  });
  body.append(choice);
  choice.querySelector('select').focus();
}

function notices(hook) {
  const overlaps = hook.overlap_ends_at && new Date(hook.overlap_ends_at) > new Date();
  const failed = count(hook.failures, 'delivery', 'deliveries');
  const skipped = count(hook.skipped, 'event');
  return [
    hook.disabled_reason &&
      notice('danger', h('p', { class: 'strong' }, 'It was switched off by itself'), h('p', {}, hook.disabled_reason)),
    hook.active &&
      hook.failures > 0 &&
      notice('caution', h('p', {}, `${failed} failed in a row, since `, time(hook.failing_since), '.')),
    hook.skipped > 0 &&
      notice('caution', h('p', {}, `${skipped} came while too many deliveries waited, and went unheard.`)),
    overlaps &&
      notice('', h('p', {}, 'Calls carry both signatures until then: ', time(hook.overlap_ends_at, { full: true }))),
  ];
}

const outcomesOf = ({ filter }) =>
  OUTCOMES.filter(([name]) => filter.outcomes.includes(name))
    .map(([, words]) => words.replace('What ', ''))
    .join(' or ');

const known = (hook) =>
  facts([
    ['State', stateOf(hook)],
    ['Calls', h('span', { class: 'break' }, hook.url)],
    ['Hears of', hook.events.map(wordsOf).join(', ')],
    ['Only of', hook.filter.target_types.join(', ')],
    ['Only what', outcomesOf(hook)],
    ['Waiting', hook.pending > 0 && count(hook.pending, 'delivery', 'deliveries')],
    ['Last delivered', hook.last_delivered_at ? time(hook.last_delivered_at, { full: true }) : 'Never'],
    ['Created', time(hook.created_at, { full: true })],
    ['Id', copyable(hook.id, 'Copy the id')],
  ]);

async function existingHook(drawer, id, changed) {
  const hook = await get(`/webhooks/${segment(id)}`);
  const may = (action) => can('webhooks', action);
  const saved = (words) => {
    toast(words);
    changed();
    drawer.reload();
  };
  const failure = h('div', {});
  const flip = ({ currentTarget }) =>
    attempt(currentTarget, failure, async () => {
      await patch(`/webhooks/${hook.id}`, { active: !hook.active });
      saved(hook.active ? `${hook.name} is off.` : `${hook.name} is on.`);
    });
  const log = deliveries(hook, { mayReplay: may('update'), settled: changed });
  const test = ({ currentTarget }) =>
    attempt(currentTarget, failure, async () => {
      await post(`/webhooks/${hook.id}/test`, {});
      toast('A test is being sent.');
      log.follow();
    });
  const actions = [
    may('delete') && button('Remove', { tone: 'danger-quiet start', onclick: () => drop(hook, drawer, changed) }),
    auditLink({ target_type: 'webhook', target_id: hook.id }),
    may('update') && button('Rotate', { glyph: 'key', onclick: () => rotate(hook, drawer, changed) }),
  ].filter(Boolean);
  drawer.setTitle(hook.name);
  drawer.setFoot(...actions);
  const send = async (values) => {
    const change = { name: values.name, url: values.url.trim(), events: patternsOf(values), filter: filterOf(values) };
    await atFields(() => patch(`/webhooks/${hook.id}`, change));
    saved('Saved.');
  };
  const acts = h(
    'div',
    { class: 'row' },
    button('Send a test', { glyph: 'bolt', onclick: test }),
    button(hook.active ? 'Switch off' : 'Switch on', { onclick: flip }),
  );
  const edit = () => form({ submit: 'Save', drawer, actions, fields: settings(hook), send });
  drawer.body.replaceChildren(
    h('div', { class: 'stack' }, notices(hook), known(hook), may('update') && acts, failure),
    h('div', { class: 'section' }, h('h3', {}, 'Deliveries'), log.node),
    may('update') ? h('div', { class: 'section' }, h('h3', {}, 'Settings'), edit()) : '',
  );
}

export function webhookDrawer(id, { changed, closed }) {
  return recordDrawer({
    title: id === 'new' ? 'New webhook' : 'Webhook',
    closed,
    wide: true,
    load: (drawer) => (id === 'new' ? newHook(drawer, changed) : existingHook(drawer, id, changed)),
  });
}
