// A list of records: search, filters, sorting and pages live in the address; loading, empty, no match and failed differ.

import { get } from '../api.js';
import { here, setQuery, withQuery } from '../router.js';
import { button, count, emptyState, h, icon, problemNotice, returnFocus } from '../main.js';

const SKELETON_ROWS = 12;
const LOOK_AGAIN_MS = 1500;

function sortHeader(column, sort) {
  const direction = sort === column.sort ? 'ascending' : sort === `-${column.sort}` ? 'descending' : null;
  const next = direction === 'ascending' ? `-${column.sort}` : column.sort;
  return h(
    'th',
    { role: 'columnheader', scope: 'col', class: column.numeric && 'numeric', 'aria-sort': direction },
    h(
      'button',
      { type: 'button', onclick: () => setQuery({ sort: next, cursor: null }) },
      column.label,
      direction && icon(direction === 'ascending' ? 'up' : 'down', 14),
    ),
  );
}

function head(columns, sort) {
  return h(
    'thead',
    {},
    h(
      'tr',
      { role: 'row' },
      columns.map((column) =>
        column.sort
          ? sortHeader(column, sort)
          : h('th', { role: 'columnheader', scope: 'col', class: column.numeric && 'numeric' }, column.label),
      ),
    ),
  );
}

function cell(column, item, link) {
  const value = column.cell(item);
  const classes = [
    column.numeric && 'numeric',
    column.fit && 'fit',
    column.phoneOff && 'phone-off',
    !link && column.above && 'above',
  ]
    .filter(Boolean)
    .join(' ');
  return h(
    'td',
    {
      role: 'cell',
      class: classes,
      title: column.fit && typeof value === 'string' ? value : null,
      'data-label': column.phoneLabel ?? null,
    },
    link ? h('a', { class: 'row-link', href: link }, value) : value,
  );
}

function row(columns, item, rowHref) {
  const link = rowHref?.(item);
  return h(
    'tr',
    { role: 'row', class: link && 'linked' },
    columns.map((column, i) => cell(column, item, i === 0 && link)),
  );
}

function skeleton(columns) {
  const bones = (i) =>
    columns.map((_, j) => h('td', { role: 'cell' }, h('span', { class: `bone ${(i + j) % 3 ? 'short' : 'long'}` })));
  return h(
    'tbody',
    { class: 'late', 'aria-hidden': 'true' },
    Array.from({ length: SKELETON_ROWS }, (_, i) => h('tr', {}, bones(i))),
  );
}

/** A plain table of rows already at hand. */
export function table({ label, columns, items, rowHref, sort = '' }) {
  return h(
    'table',
    { class: 'table stacking', role: 'table', 'aria-label': label },
    head(columns, sort),
    h(
      'tbody',
      { role: 'rowgroup' },
      items.map((item) => row(columns, item, rowHref)),
    ),
  );
}

function searchBox({ placeholder }) {
  let typing = false;
  let timer;
  const input = h('input', {
    class: 'input',
    type: 'search',
    'aria-label': placeholder,
    placeholder,
    value: here().query.get('search') ?? '',
    autocomplete: 'off',
    spellcheck: 'false',
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        setQuery({ search: input.value.trim(), cursor: null }, { replace: typing });
        typing = true;
      }, 180);
    },
    onblur: () => {
      typing = false;
    },
  });
  return h('div', { class: 'search' }, icon('search'), input);
}

function filterSelect({ name, label, options }) {
  return h(
    'select',
    {
      class: 'select',
      'aria-label': label,
      'data-filter': name,
      value: here().query.get(name) ?? '',
      onchange: (event) => setQuery({ [name]: event.target.value, cursor: null }),
    },
    options.map(([value, text]) => h('option', { value }, text)),
  );
}

function pager(nextCursor) {
  const paged = here().query.has('cursor');
  if (!nextCursor && !paged) return null;
  return h(
    'nav',
    { class: 'pager', 'aria-label': 'Pages of this list' },
    paged && h('a', { class: 'button small', href: withQuery({ cursor: null }) }, 'First page'),
    paged && history.state?.inside && button('Previous', { tone: 'small', onclick: () => history.back() }),
    nextCursor && h('a', { class: 'button small', href: withQuery({ cursor: nextCursor }) }, 'Next'),
  );
}

const columnsOf = ({ columns }, items) => (typeof columns === 'function' ? columns(items) : columns);

/** The rows, or what is said where there are none: never any, or none that matches. */
function content({ items, next_cursor: nextCursor }, query, options) {
  const { noun, filters = [], hidden = [], rowHref, empty, sort: defaultSort = '' } = options;
  if (items.length) {
    const sort = query.get('sort') ?? defaultSort;
    const rows = table({ label: `${noun}s`, columns: columnsOf(options, items), items, rowHref, sort });
    return [h('div', { class: 'table-scroll' }, rows), pager(nextCursor) ?? ''];
  }
  const narrowing = ['search', 'cursor', ...filters.map(({ name }) => name), ...hidden];
  if (!narrowing.some((name) => query.get(name))) return [emptyState(empty)];
  const clear = Object.fromEntries(narrowing.map((name) => [name, null]));
  const action = h('a', { class: 'button', href: withQuery(clear) }, 'Clear the filters');
  return [
    emptyState({
      icon: 'search',
      title: `No ${noun} matches`,
      text: 'Try another word, or take the filters away.',
      action,
    }),
  ];
}

function loadingTable(columns) {
  return h('table', { class: 'table', 'aria-label': 'Loading' }, head(columns, ''), skeleton(columns));
}

/**
 * `path`, `columns` (or a function of the items), `params(query)` for the API, `rowHref(item)`, `noun`,
 * `search`, `filters` (as selects), `hidden` (other filters in the address), `tools`, `empty` (a state for a list that never had anything), `missing` (for one that does not exist), `sort` (the default), `live` (the types whose changes concern it), `moving(item)` (whether a row says how far something is, and is read again).
 */
export function listView(options) {
  const { path, params = () => ({}), noun, search, filters = [], tools = [], sort: defaultSort = '' } = options;
  const counter = h('span', { class: 'count', role: 'status' });
  const searchNode = search && searchBox(search);
  const news = options.live && h('span', { role: 'status' });
  const toolbar = h('div', { class: 'toolbar' }, searchNode, filters.map(filterSelect), counter, news, tools);
  const failure = h('div', { hidden: true });
  const body = h('div', {});
  const hasTools = Boolean(search || filters.length || tools.length);
  const node = h(
    'section',
    { class: 'card', 'aria-label': `List of ${options.nouns ?? `${noun}s`}` },
    hasTools && toolbar,
    failure,
    body,
  );
  let shown = null;
  let running = null;
  let lastKey = null;
  let keeping = null;
  let fresh = null;
  let moving = null;

  function controlsFollow(query) {
    const input = searchNode?.querySelector('input');
    if (input && document.activeElement !== input) input.value = query.get('search') ?? '';
    for (const select of toolbar.querySelectorAll('[data-filter]'))
      select.value = query.get(select.dataset.filter) ?? '';
  }

  function show(page, query) {
    shown = page.items;
    counter.textContent = page.total === undefined ? '' : count(page.total, noun, options.nouns);
    const focused = body.contains(document.activeElement) && document.activeElement;
    body.replaceChildren(...content(page, query, options));
    if (focused) returnFocus(focused);
    clearTimeout(moving);
    const again = () => node.isConnected && load();
    if (options.moving && page.items.some(options.moving)) moving = setTimeout(again, LOOK_AGAIN_MS);
  }

  /** Begins once the rows are there, since nothing on a first visit waits for it. */
  function keepUp() {
    keeping ??= setTimeout(async () => {
      const { newsOf } = await import('./live.js');
      if (node.isConnected) fresh = newsOf({ types: options.live, node: news, rows: () => shown ?? [], reload: load });
    }, 300);
  }

  async function load() {
    running?.abort();
    running = new AbortController();
    const begun = Date.now();
    const { query } = here();
    controlsFollow(query);
    if (!shown) body.replaceChildren(loadingTable(columnsOf(options, [])));
    body.setAttribute('aria-busy', 'true');
    try {
      const asked = {
        ...(!options.plain && { count: true, sort: query.get('sort') ?? defaultSort }),
        cursor: query.get('cursor'),
        ...params(query),
      };
      show(await get(path, asked, running.signal), query);
      fresh?.loaded(begun);
      if (news) keepUp();
      failure.hidden = true;
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      if (problem.status === 404 && options.missing) {
        node.replaceChildren(emptyState(options.missing));
        return;
      }
      // The rows that were there stay: a failure must not look like an empty list.
      failure.hidden = false;
      failure.replaceChildren(h('div', { class: 'card-body' }, problemNotice(problem, load)));
      if (!shown) body.replaceChildren();
    }
    body.removeAttribute('aria-busy');
  }

  function update({ query }) {
    const relevant = new URLSearchParams(query);
    for (const name of ['open', 'tab', 'decision']) relevant.delete(name);
    const key = relevant.toString();
    if (key !== lastKey) {
      lastKey = key;
      load();
    }
  }

  const leave = () => {
    clearTimeout(keeping);
    clearTimeout(moving);
    fresh?.leave();
  };
  update(here());
  return { node, update, reload: load, leave };
}

/** A button that opens a small menu: Esc, a click or focus elsewhere closes it. `content()` fills it each time. */
export function menuButton(label, { glyph, content, onchange }) {
  const menu = h('div', { class: 'menu', hidden: true, role: 'group', 'aria-label': label, onchange });
  const toggle = button(label, { glyph, 'aria-expanded': 'false', onclick: () => show(menu.hidden) });
  const host = h('div', { class: 'menu-host' }, toggle, menu);
  function show(open) {
    if (open) menu.replaceChildren(...[content()].flat());
    document[open ? 'addEventListener' : 'removeEventListener']('pointerdown', outside);
    menu.hidden = !open;
    toggle.setAttribute('aria-expanded', String(open));
    if (open) menu.querySelector('input, a')?.focus();
  }
  function outside(event) {
    if (!host.contains(event.target)) show(false);
  }
  host.close = () => {
    show(false);
    toggle.focus();
  };
  host.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !menu.hidden) host.close();
  });
  host.addEventListener(
    'focusout',
    (event) => event.relatedTarget && !host.contains(event.relatedTarget) && show(false),
  );
  return host;
}

/** Keeps a list and its drawer in step with the address; `open(id, hooks)` answers `{ dismiss }`. */
export function listWithDrawer(list, open) {
  let shown = null;
  const dismiss = () => {
    shown?.drawer?.dismiss();
    shown = null;
  };

  async function update({ query }) {
    list.update({ query });
    const id = query.get('open');
    if ((shown?.id ?? null) === id) return;
    dismiss();
    if (!id) return;
    const mine = { id };
    shown = mine;
    const closed = () => {
      if (shown === mine) {
        shown = null;
        setQuery({ open: null });
      }
    };
    const drawer = await open(id, { changed: list.reload, closed });
    if (shown === mine) mine.drawer = drawer;
    else drawer.dismiss();
  }
  update(here());
  const leave = () => {
    dismiss();
    list.leave();
  };
  return { update, refresh: list.reload, leave };
}
