// What a person may see and do, and "may this person …?" tried, with the answer check by check.

import { get, segment } from '../api.js';
import { badge, h, icon, notice, problemNotice, sentence } from '../main.js';
import { can, CLEARANCES, reachParts, sentencesOf } from '../session.js';
import { field, form } from './form.js';
import { deed, ruleList } from './rules.js';

const clearanceWord = (name) => CLEARANCES.find(([key]) => key === name)?.[1] ?? sentence(name);

/** Sentences for each resource; one that covers every type stands for the types it covers. */
function doings({ resources, permissions }) {
  if (permissions.includes('*')) return ['Can do everything'];
  const every = resources.find(({ name }) => name === 'entities.*')?.actions ?? {};
  const own = ({ name, actions }) =>
    Object.entries(actions).filter(([action, reach]) => !name.startsWith('entities.') || name === 'entities.*' || every[action] !== reach);
  return sentencesOf(
    resources.flatMap((resource) =>
      own(resource).flatMap(([action, reach]) => reachParts(reach).map((part) => `${resource.name}:${action}:${part}`)),
    ),
  );
}

const lines = (items, glyph) =>
  h(
    'ul',
    { class: 'stack-tight' },
    items.map((text) => h('li', { class: 'row row-top' }, icon(glyph, 14), h('span', { class: 'grow break' }, text))),
  );

function fieldLine(type, fields) {
  const names = (readable) => fields.filter((one) => one.readable === readable).map(({ path }) => path.slice(1).replaceAll('/', ' › '));
  const [seen, hidden] = [names(true), names(false)];
  const words = [
    seen.length ? `sees ${seen.join(', ')}` : 'sees none of the marked fields',
    hidden.length && `does not see ${hidden.join(', ')}`,
  ];
  return `${sentence(type)}: ${words.filter(Boolean).join('; ')}`;
}

function fieldsOf({ clearance, fields }) {
  const types = [...new Set(fields.map(({ type }) => type))];
  return [
    h('p', { class: 'row' }, 'Reads fields up to', badge(clearanceWord(clearance))),
    types.length
      ? lines(
          types.map((type) =>
            fieldLine(
              type,
              fields.filter((one) => one.type === type),
            ),
          ),
          'info',
        )
      : '',
  ];
}

const resourceWord = (name) =>
  name.startsWith('entities.') ? `Entities: ${sentence(name.slice('entities.'.length))}` : sentence(name);

function answer({ allowed, resource, action, rules }, who) {
  const what = deed(`${resource}:${action}`);
  return h(
    'div',
    { class: 'stack', role: 'status' },
    notice(allowed ? 'good' : 'danger', h('p', { class: 'strong' }, `${who} ${allowed ? 'may' : 'may not'} ${what}.`)),
    ruleList(rules),
  );
}

function trial(user, catalogue) {
  const who = user.name || user.email;
  const known = catalogue.filter(({ resource }) => resource !== 'entities.*' && resource !== 'entities');
  const result = h('div', {});
  const actionsOf = (name) =>
    known.find(({ resource }) => resource === name).actions.map((action) => h('option', { value: action }, sentence(action)));
  const follow = ({ target }) => {
    node.elements.action.replaceChildren(...actionsOf(target.value));
    node.querySelector('[data-pointer="/id"]').hidden = !target.value.startsWith('entities.');
  };
  const first = known[0];
  const node = form({
    submit: 'Try it',
    tone: '',
    fields: [
      field({
        name: 'resource',
        label: 'Resource',
        type: 'select',
        options: known.map(({ resource }) => [resource, resourceWord(resource)]),
        onchange: follow,
      }),
      field({
        name: 'action',
        label: 'Action',
        type: 'select',
        options: first.actions.map((action) => [action, sentence(action)]),
      }),
      field({ name: 'id', label: 'Id of one entity', optional: true, autocomplete: 'off', spellcheck: 'false' }),
    ],
    send: async ({ resource, action, id }) => {
      result.replaceChildren();
      const one = resource.startsWith('entities.') ? id.trim() : '';
      result.replaceChildren(answer(await get(`/users/${segment(user.id)}/access`, { resource, action, id: one }), who));
      result.scrollIntoView({ block: 'nearest' });
    },
  });
  follow({ target: { value: first.resource } });
  return h('div', { class: 'stack' }, h('h3', {}, `May ${who} …?`), node, result);
}

async function fill(place, user) {
  place.replaceChildren(h('p', { class: 'muted late' }, 'Loading…'));
  try {
    const [access, catalogue] = await Promise.all([
      get(`/users/${segment(user.id)}/access`),
      can('roles', 'read') ? get('/permissions') : null,
    ]);
    const all = doings(access);
    place.replaceChildren(
      lines(all.length ? all : ['Can do nothing yet'], 'check'),
      ...fieldsOf(access),
      catalogue ? trial(user, catalogue.items) : '',
    );
  } catch (problem) {
    if (problem.errors === undefined) throw problem;
    place.replaceChildren(problemNotice(problem, () => fill(place, user)));
  }
}

/** Loaded when it is opened. */
export function accessSection(user) {
  const place = h('div', { class: 'stack' });
  let asked = false;
  return h(
    'details',
    {
      class: 'section',
      ontoggle: () => {
        if (!asked) fill(place, user);
        asked = true;
      },
    },
    h('summary', {}, 'What they can see and do'),
    place,
  );
}
