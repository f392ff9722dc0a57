// Ctrl-K or /: every page, user, entity and request id, while typing.

import { get, literal } from '../api.js';
import { go, openPages, to, withQuery } from '../router.js';
import { can } from '../session.js';
import { h, icon, sentence, returnFocus } from '../main.js';

const ACTS = [
  ['users', 'New user', 'users'],
  ['roles', 'New role', 'roles'],
  ['entity-types', 'New entity type', 'entity_types'],
  ['api-keys', 'New API key'],
  ['webhooks', 'New webhook', 'webhooks'],
];
const REQUEST_ID = /^[A-Za-z0-9._-]{8,128}$/;
const WAIT_MS = 120;

const entry = (group, glyph, text, note, href) => ({ group, glyph, text, note, href });
let types = null;

function pageEntries(word) {
  const fits = (label) => label.toLowerCase().includes(word.toLowerCase());
  const pages = openPages().filter(({ label }) => fits(label));
  const acts = word ? ACTS.filter(([, label, resource]) => fits(label) && (!resource || can(resource, 'create'))) : [];
  const isRequest = REQUEST_ID.test(word) && /\d/.test(word);
  return [
    ...pages.map(({ href, label, glyph }) => entry('Pages', glyph, label, '', href)),
    ...acts.map(([page, label]) => entry('Actions', 'plus', label, '', to(page, { open: 'new' }))),
    ...(isRequest && can('decisions', 'read')
      ? [entry('Refusals', 'info', `Why was ${word} refused?`, '', withQuery({ decision: word }))]
      : []),
    ...(isRequest && can('audit', 'read') ? [entry('Audit', 'list', `Events of request ${word}`, '', to('audit', { request_id: word }))] : []),
  ];
}

async function userEntries(word, signal) {
  if (!can('users', 'read')) return [];
  const { items } = await get(
    '/users',
    { limit: 5, filter: `email ~ ${literal(word)} or name ~ ${literal(word)}` },
    signal,
  );
  return items.map((user) =>
    entry('Users', 'users', user.name || user.email, user.email, to('users', { open: user.id })),
  );
}

async function typeNames(signal) {
  types ??= (await get('/entity-types', { limit: 200 }, signal)).items.map(({ name }) => name);
  return types;
}

async function entityEntries(word, signal) {
  const names = (await typeNames(signal)).filter((name) => can(`entities.${name}`, 'read'));
  const fitting = names
    .filter((name) => sentence(name).toLowerCase().includes(word.toLowerCase()))
    .map((name) => entry('Entity types', 'layers', sentence(name), '', to(`entities/${name}`)));
  const found = await Promise.all(
    names.slice(0, 8).map(async (name) => {
      const { items } = await get(`/entities/${name}`, { limit: 4, filter: `name ~ ${literal(word)}` }, signal);
      return items.map((entity) =>
        entry('Entities', 'layers', entity.name, sentence(name), to(`entities/${name}`, { open: entity.id })),
      );
    }),
  );
  return [...fitting, ...found.flat()];
}

const quietly = (promise) => promise.catch(() => []);

function option(item, i, { choose, point }) {
  const note = item.note && h('span', { class: 'faint small' }, item.note);
  const events = { onclick: () => choose(item), onmousemove: () => point(i) };
  return h(
    'div',
    { class: 'palette-item', role: 'option', id: `palette-${i}`, ...events },
    icon(item.glyph),
    item.text,
    note,
  );
}

/** The options under the input, which keeps the focus; `choose` hears which one was taken. */
function optionList(input, choose) {
  const node = h('div', { class: 'palette-list', id: 'palette-list', role: 'listbox', 'aria-label': 'Found' });
  let entries = [];
  let selected = 0;

  function point(i) {
    selected = i;
    for (const item of node.querySelectorAll('.palette-item'))
      item.setAttribute('aria-selected', String(item.id === `palette-${i}`));
    const marked = node.querySelector(`#palette-${i}`);
    marked?.scrollIntoView({ block: 'nearest' });
    input.setAttribute('aria-activedescendant', marked?.id ?? '');
  }

  function group(name) {
    const options = entries.map((item, i) => item.group === name && option(item, i, { choose, point }));
    return h(
      'div',
      { role: 'group', 'aria-label': name },
      h('div', { class: 'palette-group', 'aria-hidden': 'true' }, name),
      options,
    );
  }

  function show(next) {
    entries = next;
    const none = { class: 'palette-group', role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false' };
    const names = [...new Set(entries.map((item) => item.group))];
    node.replaceChildren(...(names.length ? names.map(group) : [h('div', none, 'Nothing found')]));
    point(0);
  }

  const move = (step) => entries.length && point((selected + step + entries.length) % entries.length);
  return { node, show, move, take: () => entries[selected] && choose(entries[selected]) };
}

/** Pages at once; users and entities as soon as the server has them. */
function finder(show) {
  let timer;
  let running;
  async function searchRecords(word) {
    running = new AbortController();
    const { signal } = running;
    const found = await Promise.all([quietly(userEntries(word, signal)), quietly(entityEntries(word, signal))]);
    if (!signal.aborted) show([...pageEntries(word), ...found.flat()]);
  }
  function stop() {
    clearTimeout(timer);
    running?.abort();
  }
  function find(word) {
    stop();
    show(pageEntries(word));
    if (word) timer = setTimeout(() => searchRecords(word), WAIT_MS);
  }
  return { find, stop };
}

export function palette() {
  const opener = document.activeElement;
  const label = 'Find a page, user, entity or request id';
  const combobox = { role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'palette-list', 'aria-label': label };
  const input = h('input', { type: 'text', ...combobox, placeholder: label, autocomplete: 'off', spellcheck: 'false' });
  let chosen = false;
  const list = optionList(input, (entry) => {
    chosen = true;
    dialog.close();
    go(entry.href);
  });
  const dialog = h('dialog', { class: 'palette', 'aria-label': 'Search' }, input, list.node);
  const { find, stop } = finder(list.show);

  const keys = { ArrowDown: () => list.move(1), ArrowUp: () => list.move(-1), Enter: list.take };
  dialog.addEventListener('keydown', (event) => {
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  input.addEventListener('input', () => find(input.value.trim()));
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => {
    stop();
    dialog.remove();
    if (!chosen) returnFocus(opener);
  });
  document.body.append(dialog);
  dialog.showModal();
  find('');
  input.focus();
}
