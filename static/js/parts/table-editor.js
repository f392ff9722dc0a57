// Entries of free names, such as limits by route: a row for each, one more with a button.

import { badge, button, h, icon, sentence } from '../main.js';
import { fieldError } from './form.js';

const SOURCES = { file: 'From the file', default: 'Default' };
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

function input(label, value, rest = {}) {
  return h('input', { class: 'input', type: 'text', 'aria-label': label, value, autocomplete: 'off', spellcheck: 'false', ...rest });
}

function choice(label, value, options) {
  return h(
    'select',
    { class: 'select', 'aria-label': label, value },
    options.map(([key, text]) => h('option', { value: key }, text)),
  );
}

/** The name of an entry: a word, or a method and a path. */
function nameControls({ label, entry, route, example }, name) {
  if (!route) {
    const word = input(`${label}: ${entry.toLowerCase()}`, name, { placeholder: example });
    return { nodes: [word], name: () => word.value.trim() };
  }
  const [, method = '', path = ''] = /^(?:([A-Z]+) )?(.*)$/.exec(name) ?? [];
  const methods = [['', 'Any method'], ...METHODS.map((one) => [one, one])];
  const verb = choice(`${label}: method`, method, methods);
  const address = input(`${label}: path`, path, { placeholder: '/entities/{type}' });
  const text = () => [verb.value, address.value.trim()].filter(Boolean).join(' ');
  return { nodes: [verb, address], name: () => (address.value.trim() ? text() : '') };
}

function valueControl({ label, value: what, of }, value) {
  const name = `${label}: ${what.toLowerCase()}`;
  if (of.kind === 'choice') {
    const node = choice(name, value ?? of.of[0], of.of.map((word) => [word, sentence(word)]));
    return { node, value: () => node.value };
  }
  if (of.kind === 'switch') {
    const node = choice(name, String(value ?? true), [['true', 'On'], ['false', 'Off']]); // prettier-ignore
    return { node, value: () => node.value === 'true' };
  }
  const node = input(name, value ?? '', { inputmode: 'numeric', placeholder: what });
  return { node, value: () => (/^\d+$/.test(node.value.trim()) ? Number(node.value) : null) };
}

/** `spec`: label, hint, entry, value, add, route or example, of, pointer, disabled. `value()` answers the entries. */
export function tableEditor(spec, entries, given = {}) {
  const { label, hint, pointer, add, disabled } = spec;
  const rows = new Set();
  const list = h('div', { class: 'entries' });

  function addRow(name, value) {
    const from = given[name] ?? {};
    const fixed = disabled || from.locked;
    const naming = nameControls(spec, name);
    const holding = valueControl(spec, value);
    const entry = { name: naming.name, value: holding.value };
    const takeOff = () => {
      rows.delete(entry);
      node.remove();
      more?.focus();
    };
    // What a file or the environment says cannot be taken off here.
    const fromOutside = name && from.source !== 'database';
    const mark = from.locked ? 'Locked' : (SOURCES[from.source] ?? 'Set outside');
    const end = fromOutside
      ? h('span', { title: from.origin }, badge(mark))
      : button('', { tone: 'quiet icon-only', 'aria-label': `Remove ${name || 'this entry'}`, disabled, onclick: takeOff });
    if (!fromOutside) end.append(icon('close', 14));
    const node = h('div', { class: `entry ${spec.route ? 'by-route' : ''}` }, naming.nodes, holding.node, end);
    for (const control of naming.nodes) control.disabled = fixed || Boolean(fromOutside);
    holding.node.disabled = fixed;
    rows.add(entry);
    list.append(node);
    return naming.nodes.at(-1);
  }

  for (const [name, value] of Object.entries(entries)) addRow(name, value);
  const more = disabled ? null : button(add, { glyph: 'plus', tone: 'small', onclick: () => addRow('').focus() });
  const node = h(
    'fieldset',
    { class: 'field', 'data-pointer': pointer },
    h('legend', {}, label),
    hint && h('p', { class: 'hint' }, hint),
    list,
    h('p', { class: 'error', hidden: true }),
    more && h('div', { class: 'row' }, more),
  );

  function value() {
    const found = {};
    for (const entry of rows) {
      const name = entry.name();
      if (!name) throw fieldError(pointer, `An entry needs its ${spec.entry.toLowerCase()}; remove it otherwise.`);
      if (name in found) throw fieldError(pointer, `${name} is there twice.`);
      found[name] = entry.value();
      if (found[name] === null) throw fieldError(pointer, `${name} needs a whole number.`);
    }
    return found;
  }
  return { node, value };
}
