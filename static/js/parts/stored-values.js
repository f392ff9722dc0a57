// What becomes of stored values when the properties of a type change, and what is said when they stand in the way.

import { button, h, notice } from '../main.js';
import { to } from '../router.js';
import { fieldError } from './form.js';
import { pointerOf } from './schema-editor.js';

const ID = /([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/;

/** Words in which the ids of entities lead to them. */
const linked = (text, name) =>
  text.split(ID).map((piece, index) => {
    const href = to(`entities/${name}?open=${piece}`);
    return index % 2 ? h('a', { href, target: '_blank', rel: 'noopener' }, piece) : piece;
  });

/** A value of a property's kind from what was typed. */
function typed({ name, kind }, text) {
  if (['string', 'date', 'date-time'].includes(kind)) return text;
  try {
    return JSON.parse(text);
  } catch {
    const example = { boolean: 'true or false', array: '[]', object: '{}' }[kind] ?? 'a number';
    throw fieldError('/migration', `The value for ${name} is ${example}.`);
  }
}

const line = (text, control) => h('div', { class: 'stored' }, h('span', { class: 'break' }, text), control);

/** `changes()` as the schema editor tells them; `name` of the type. */
export function storedValues(name, changes) {
  const chosen = new Map();
  const refusal = h('div', {});
  const lines = h('div', { class: 'stack-tight' });
  const hint = h('p', { class: 'hint' }, 'A job changes every entity, with an event for each. Meanwhile they can be read only.');
  const act = h('div', { class: 'row row-end', hidden: true }, button('Migrate and save', { type: 'submit', tone: 'primary small' })); // prettier-ignore
  const error = h('p', { class: 'error', hidden: true });
  const legend = h('legend', {}, 'What is stored already');
  const node = h('fieldset', { class: 'field', 'data-pointer': '/migration', hidden: true }, legend, hint, refusal, lines, error, act); // prettier-ignore
  let refused = false;

  /** What was chosen while it is still open to choice, else the first. */
  const fate = ([was, options]) => (options.find(([key]) => key === chosen.get(was)) ?? options[0])[0];

  function choice(question) {
    const [was, options] = question;
    const kept = fate(question);
    const node = h(
      'select',
      { class: 'select', 'aria-label': `Stored values of ${was}`, value: kept, onchange: ({ target }) => choose(was, target.value) },
      options.map(([key, text]) => h('option', { value: key }, text)),
    );
    return line(`Values of ${was}`, node);
  }

  function choose(was, key) {
    chosen.set(was, key);
    update();
    lines.querySelector(`[aria-label="${CSS.escape(`Stored values of ${was}`)}"]`)?.focus();
  }

  function filling({ name: property }) {
    const key = `set ${property}`;
    const input = h('input', {
      class: 'input',
      'aria-label': `Where ${property} is missing`,
      placeholder: 'Leave it missing',
      value: chosen.get(key) ?? '',
      oninput: () => chosen.set(key, input.value),
      autocomplete: 'off',
    });
    return line(`Where ${property} is missing`, input);
  }

  /** What is asked about now: moved and taken away always, the rest once it stood in the way. */
  function asked() {
    const { renamed, gone, changed, added, required } = changes();
    const leave = (was) => ['leave', `Leave them under ${was}`];
    const drop = ['remove', 'Remove them'];
    const moves = added.map((property) => [`to ${property.name}`, `Move to ${property.name}`]);
    const questions = renamed.map(({ was, name: now }) => [was, [[`to ${now}`, `Move to ${now}`], leave(was), drop]]);
    for (const was of gone) questions.push([was, [leave(was), drop, ...moves]]);
    const others = refused ? changed.filter(({ was, name: now }) => was === now) : [];
    for (const { was } of others) questions.push([was, [['leave', 'Leave them as they are'], drop, ...moves]]);
    return { questions, required: refused ? required : [] };
  }

  const targets = (questions) =>
    questions.map(fate).filter((key) => key.startsWith('to ')).map((key) => key.slice(3));
  const open = ({ questions, required }) => {
    const spoken = [...targets(questions), ...questions.map(([was]) => was)];
    return required.filter(({ name: property }) => !spoken.includes(property));
  };

  function update() {
    const all = asked();
    const choices = all.questions.map(choice);
    const fillings = open(all).map(filling);
    lines.replaceChildren(...choices, ...fillings);
    node.hidden = !refused && !choices.length;
    hint.hidden = !choices.length && !fillings.length;
    act.hidden = !refused || hint.hidden;
  }

  /** What is to be done with what is stored, or nothing. */
  function steps() {
    const all = asked();
    const made = { rename: {}, remove: [], set_default: {} };
    for (const question of all.questions) {
      const [[was], key] = [question, fate(question)];
      if (key === 'remove') made.remove.push(pointerOf(was));
      if (key.startsWith('to ')) made.rename[pointerOf(was)] = pointerOf(key.slice(3));
    }
    for (const property of open(all)) {
      const text = chosen.get(`set ${property.name}`)?.trim();
      if (text) made.set_default[pointerOf(property.name)] = typed(property, text);
    }
    const any = made.remove.length || Object.keys({ ...made.rename, ...made.set_default }).length;
    return any ? made : null;
  }

  /** Says how many entities stand in the way and which are the first, and asks what becomes of them. */
  function refuse(problem) {
    refused = true;
    update();
    const [first, ...examples] = problem.errors;
    const mendable = lines.childElementCount > 0;
    const box = notice(
      'danger',
      h('p', { class: 'strong' }, first.message),
      h('ul', {}, examples.map(({ message }) => h('li', { class: 'break' }, linked(message, name)))),
      examples.length < problem.body.count && examples.length > 0 && h('p', { class: 'small' }, `These are the first ${examples.length} of ${problem.body.count}.`),
      mendable && h('p', {}, 'Change them, or say here what becomes of what they hold.'),
    );
    box.setAttribute('role', 'alert');
    box.tabIndex = -1;
    refusal.replaceChildren(box);
    box.focus();
  }

  function settle() {
    refusal.replaceChildren();
  }
  return { node, update, steps, refuse, settle };
}
