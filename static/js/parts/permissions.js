// Permissions, chosen as a grid of resources and actions, and their change in words before it is saved.

import { attempt, openDialog } from './dialog.js';
import { button, h, icon, sentence } from '../main.js';
import { fieldError } from './form.js';
import { parsePermission, sentencesOf } from '../session.js';

export const sentenceList = (permissions) =>
  h(
    'ul',
    { class: 'stack' },
    (sentencesOf(permissions).length ? sentencesOf(permissions) : ['Can do nothing yet']).map((text) =>
      h('li', { class: 'row' }, icon('check', 14), h('span', { class: 'grow' }, text)),
    ),
  );

export function resourceName(resource) {
  if (resource === 'entities.*') return 'Entities of every type';
  return resource.startsWith('entities.') ? `Entities: ${sentence(resource.slice(9))}` : sentence(resource).replace(/^Api/, 'API');
}

/** What is held for one action: a plain reach, a rule, or several, which are kept word for word. */
function reachOptions(texts) {
  const reaches = texts.map((text) => parsePermission(text).reach);
  const plain = [
    ['', 'No'],
    ['any', 'Any record'],
    ['own', 'Own records'],
    ['where', 'Those where …'],
  ];
  if (reaches.length < 2) {
    const rule = /^where\((.*)\)$/s.exec(reaches[0] ?? '')?.[1];
    return { options: plain, value: rule ? 'where' : (reaches[0] ?? ''), rule };
  }
  const words = texts.map((text) => sentencesOf([text])[0].split(' where ')[1] ?? 'own records').join(' or ');
  return { options: [...plain, ['kept', `Where ${words}`]], value: 'kept' };
}

/** The permissions among `permissions` that name this very resource and action. */
const named = (permissions, resource, action) =>
  permissions.filter((text) => text === `${resource}:${action}` || text.startsWith(`${resource}:${action}:`));

function actionChoice(resource, action, hasReach, permissions) {
  const texts = named(permissions, resource, action);
  if (!hasReach)
    return h(
      'label',
      { class: 'check' },
      h('input', { type: 'checkbox', 'data-action': action, checked: texts.length > 0 }),
      sentence(action),
    );
  const { options, value, rule } = reachOptions(texts);
  const condition = h('input', {
    class: 'input code',
    'aria-label': `${sentence(action)} those where`,
    placeholder: 'data.team = @user.data.team',
    value: rule ?? '',
    hidden: value !== 'where',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const select = h(
    'select',
    {
      class: 'select',
      'data-action': action,
      value,
      onchange: () => {
        condition.hidden = select.value !== 'where';
        if (!condition.hidden) condition.focus();
      },
    },
    options.map(([key, text]) => h('option', { value: key }, text)),
  );
  Object.assign(select, { kept: texts, condition });
  return h('div', { class: 'reach' }, h('label', {}, h('span', { class: 'small' }, sentence(action)), select), condition);
}

function resourceRow({ resource, actions, description, reach }, permissions) {
  return h(
    'div',
    { class: 'rule', 'data-resource': resource, role: 'group', 'aria-label': resourceName(resource) },
    h('p', { class: 'strong' }, resourceName(resource)),
    description && !reach && h('p', { class: 'small faint' }, description),
    h(
      'div',
      { class: 'row row-loose' },
      actions.map((action) => actionChoice(resource, action, reach, permissions)),
    ),
  );
}

function permissionOf(resource, control) {
  const text = `${resource}:${control.dataset.action}`;
  if (control.type === 'checkbox') return control.checked ? [text] : [];
  const rule = control.condition.value.trim();
  const where = rule ? [`${text}:where(${rule})`] : [];
  return { '': [], any: [text], own: [`${text}:own`], where, kept: control.kept }[control.value];
}

/**
 * Resources and actions to choose from, with what was chosen in words; `chosen()` answers the permissions, or says
 * which rule is missing.
 */
export function permissionGrid(catalogue, permissions, pointer = '/permissions') {
  const listed = (text) => {
    const { resource, action } = parsePermission(text);
    return catalogue.find((entry) => entry.resource === resource)?.actions.includes(action);
  };
  const unlisted = permissions.filter((text) => !listed(text));
  const preview = h('div', { class: 'notice' });
  const node = h(
    'div',
    { 'data-pointer': pointer, onchange: show, oninput: show },
    h('p', { class: 'error', hidden: true }),
    catalogue.map((entry) => resourceRow(entry, permissions)),
  );
  const controls = () => [...node.querySelectorAll('[data-action]')];
  const value = () => [
    ...controls().flatMap((control) => permissionOf(control.closest('[data-resource]').dataset.resource, control)),
    ...unlisted,
  ];
  function chosen() {
    const open = controls().find(({ value: reach, condition }) => reach === 'where' && !condition.value.trim());
    if (open) {
      open.condition.focus();
      throw fieldError(pointer, `Say which records may be ${PAST[open.dataset.action]}, such as data.team = @user.data.team.`);
    }
    return value();
  }
  function show() {
    preview.replaceChildren(sentenceList(value()));
  }
  show();
  return { node, preview, chosen };
}

const PAST = { read: 'read', create: 'created', update: 'updated', delete: 'deleted', export: 'exported', write: 'written' };

const lines = (title, texts, tag) =>
  texts.length > 0 &&
  h(
    'div',
    {},
    h('h3', {}, title),
    h(
      'div',
      { class: 'diff' },
      texts.map((text) => h(tag, {}, text)),
    ),
  );

/** What goes and what comes, in words, before `save` is run. A refusal is told in the same place. */
export function confirmDifference({ title, text, verb, gone, come, save }) {
  const failure = h('div', {});
  const told = () =>
    save().catch((problem) => {
      if (problem.errors?.length) problem.message = problem.errors.map(({ message }) => message).join(' ');
      throw problem;
    });
  const act = button(verb, {
    tone: 'primary',
    onclick: async () => (await attempt(act, failure, told)) && box.close(),
  });
  const cancel = button('Cancel', { onclick: () => box.close() });
  const box = openDialog({
    title,
    body: h(
      'div',
      { class: 'stack' },
      h('p', { class: 'muted' }, text),
      lines('No longer', gone, 'del'),
      lines('From now on', come, 'ins'),
      failure,
    ),
    foot: [cancel, act],
  });
  cancel.focus();
}

/** The difference between two sets of permissions of a role. */
export function confirmAccess(name, before, after, save) {
  confirmDifference({
    title: `Change what ${sentence(name)} may do?`,
    text: 'It takes effect on the next request of everyone who holds the role. You can change it back.',
    verb: 'Change the role',
    gone: sentencesOf(before.filter((text) => !after.includes(text))),
    come: sentencesOf(after.filter((text) => !before.includes(text))),
    save,
  });
}
