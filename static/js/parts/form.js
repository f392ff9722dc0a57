// Forms from a list of fields; the server's errors land at their fields.

import { button, h, labelled, problemNotice, showFieldErrors } from '../main.js';

function select({ name, options, value, required, onchange }) {
  const known = options.some(([key]) => key === value) ? value : options[0][0];
  return h(
    'select',
    { class: 'select', name, required, onchange, value: known },
    options.map(([key, text]) => h('option', { value: key }, text)),
  );
}

function choices({ label, name, options, value = [], hint }) {
  return h(
    'fieldset',
    { class: 'field', 'data-pointer': `/${name}` },
    h('legend', {}, label),
    hint && h('p', { class: 'hint' }, hint),
    h(
      'div',
      { class: 'choices' },
      options.map(([key, text, note]) =>
        h(
          'label',
          { class: 'check' },
          h('input', { type: 'checkbox', name, value: key, checked: value.includes(key) }),
          h('span', {}, text, note && h('small', {}, note)),
        ),
      ),
    ),
    h('p', { class: 'error', hidden: true }),
  );
}

function tick({ label, name, value, hint, pointer }) {
  return h(
    'div',
    { class: 'field', 'data-pointer': pointer ?? `/${name}` },
    h(
      'label',
      { class: 'check' },
      h('input', { type: 'checkbox', name, checked: Boolean(value) }),
      h('span', {}, label, hint && h('small', {}, hint)),
    ),
    h('p', { class: 'error', hidden: true }),
  );
}

export function field(spec) {
  if (spec.type === 'choices') return choices(spec);
  if (spec.type === 'tick') return tick(spec);
  const { type = 'text', name, label, value = '', hint, optional, pointer, ...rest } = spec;
  if (type === 'select') return labelled(label, select(spec), { hint, optional, pointer });
  if (type === 'textarea' || type === 'json') {
    return labelled(
      label,
      h('textarea', {
        class: type === 'json' ? 'textarea code' : 'textarea',
        name,
        spellcheck: type === 'json' ? 'false' : null,
        value,
        ...rest,
      }),
      { hint, optional, pointer },
    );
  }
  return labelled(label, h('input', { class: 'input', type, name, value, ...rest }), { hint, optional, pointer });
}

/** The values of a form by name; checkboxes with the same name become a list. */
export function valuesOf(form) {
  const values = {};
  for (const control of form.elements) {
    if (!control.name) continue;
    const several = control.type === 'checkbox' && control.hasAttribute('value');
    if (several) {
      values[control.name] ??= [];
      if (control.checked) values[control.name].push(control.value);
    } else values[control.name] = control.type === 'checkbox' ? control.checked : control.value;
  }
  return values;
}

let serial = 0;

/** `send(values)` may throw a Problem. In a drawer the submit button stands in the foot, always in reach. */
export function form({ fields, submit, send, tone = 'primary', drawer, actions = [] }) {
  serial += 1;
  const id = `form-${serial}`;
  const failure = h('div', {});
  const act = button(submit, { tone, type: 'submit', form: id });
  const node = h(
    'form',
    {
      class: 'form',
      id,
      novalidate: true,
      onsubmit: async (event) => {
        event.preventDefault();
        act.disabled = true;
        failure.replaceChildren();
        showFieldErrors(node);
        try {
          await send(valuesOf(node));
        } catch (problem) {
          showProblem(node, failure, problem);
        } finally {
          act.disabled = false;
        }
      },
    },
    fields,
    failure,
    !drawer && h('div', { class: 'row row-end' }, act),
  );
  drawer?.setFoot(...actions, act);
  return node;
}

function showProblem(node, failure, problem) {
  if (problem.errors === undefined) throw problem;
  const homeless = showFieldErrors(node, problem.errors);
  if (problem.errors.length && !homeless.length) return;
  failure.replaceChildren(problemNotice(problem));
  if (homeless.length)
    failure.firstChild.querySelector('p').after(
      h(
        'ul',
        {},
        homeless.map(({ pointer, message }) => h('li', {}, pointer ? `${pointer.slice(1)}: ` : '', message)),
      ),
    );
}

/** A refusal made here, before anything is sent. */
export function fieldError(pointer, message) {
  return Object.assign(new Error(message), { status: 422, code: 'validation_failed', errors: [{ pointer, message }] });
}
