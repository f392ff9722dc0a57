// Ctrl-K or /: every page, user, entity and request id, while typing.

import { get, literal } from '../api.js';
import { go, to } from '../router.js';
import { can } from '../session.js';
import { h, icon, sentence } from '../main.js';

const PAGES = [
  ['overview', 'Overview', 'gauge'],
  ['entity-types', 'Entity types', 'layers'],
  ['users', 'Users', 'users'],
  ['roles', 'Roles', 'key'],
  ['sessions', 'My sessions', 'monitor'],
  ['audit', 'Audit log', 'list'],
  ['kill-switch', 'Kill switch', 'power'],
  ['account', 'Your account', 'shield'],
];
const ACTS = [
  ['users', 'New user', 'plus', { open: 'new' }],
  ['roles', 'New role', 'plus', { open: 'new' }],
  ['entity-types', 'New entity type', 'plus', { open: 'new' }],
];
const REQUEST_ID = /^[A-Za-z0-9._-]{8,128}$/;
const WAIT_MS = 120;

const entry = (group, glyph, text, note, href) => ({ group, glyph, text, note, href });
let types = null;

function pageEntries(word) {
  const fits = ([, label]) => label.toLowerCase().includes(word.toLowerCase());
  return [
    ...PAGES.filter(fits).map(([page, label, glyph]) =>
      entry('Pages', glyph, label, '', to(page === 'overview' ? '' : page)),
    ),
    ...(word
      ? ACTS.filter(fits).map(([page, label, glyph, query]) => entry('Actions', glyph, label, '', to(page, query)))
      : []),
    ...(REQUEST_ID.test(word) && /\d/.test(word)
      ? [entry('Audit', 'list', `Events of request ${word}`, '', to('audit', { request_id: word }))]
      : []),
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

export function palette() {
  const input = h('input', {
    type: 'text',
    role: 'combobox',
    'aria-expanded': 'true',
    'aria-controls': 'palette-list',
    'aria-label': 'Find a page, user, entity or request id',
    placeholder: 'Find a page, user, entity or request id',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const list = h('div', { class: 'palette-list', id: 'palette-list', role: 'listbox', 'aria-label': 'Found' });
  const dialog = h('dialog', { class: 'palette', 'aria-label': 'Search' }, input, list);
  let entries = [];
  let selected = 0;
  let timer;
  let running;

  function show(next) {
    entries = next;
    selected = 0;
    const groups = [...new Set(entries.map(({ group }) => group))];
    list.replaceChildren(
      ...groups.map((group) =>
        h(
          'div',
          { role: 'group', 'aria-label': group },
          h('div', { class: 'palette-group', 'aria-hidden': 'true' }, group),
          entries.map((item, i) => item.group === group && option(item, i)),
        ),
      ),
    );
    if (!entries.length)
      list.replaceChildren(
        h(
          'div',
          { class: 'palette-group', role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false' },
          'Nothing found',
        ),
      );
    mark();
  }

  function option(item, i) {
    return h(
      'div',
      {
        class: 'palette-item',
        role: 'option',
        id: `palette-${i}`,
        'data-i': i,
        onclick: () => choose(i),
        onmousemove: () => {
          selected = i;
          mark();
        },
      },
      icon(item.glyph),
      item.text,
      item.note && h('span', { class: 'faint small' }, item.note),
    );
  }

  function mark() {
    for (const node of list.querySelectorAll('[data-i]'))
      node.setAttribute('aria-selected', String(Number(node.dataset.i) === selected));
    const node = list.querySelector(`#palette-${selected}`);
    node?.scrollIntoView({ block: 'nearest' });
    if (node) input.setAttribute('aria-activedescendant', node.id);
    else input.removeAttribute('aria-activedescendant');
  }

  function choose(i) {
    if (!entries[i]) return;
    dialog.close();
    go(entries[i].href);
  }

  async function searchRecords(word) {
    running = new AbortController();
    const { signal } = running;
    const [users, entities] = await Promise.all([
      quietly(userEntries(word, signal)),
      quietly(entityEntries(word, signal)),
    ]);
    if (!signal.aborted) show([...pageEntries(word), ...users, ...entities]);
  }

  input.addEventListener('input', () => {
    const word = input.value.trim();
    clearTimeout(timer);
    running?.abort();
    show(pageEntries(word));
    if (word) timer = setTimeout(() => searchRecords(word), WAIT_MS);
  });
  dialog.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === 'Enter') choose(selected);
    else if (step && entries.length) {
      selected = (selected + step + entries.length) % entries.length;
      mark();
    } else return;
    event.preventDefault();
  });
  const opener = document.activeElement;
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => {
    running?.abort();
    dialog.remove();
    if (opener?.isConnected) opener.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  show(pageEntries(''));
  input.focus();
}
