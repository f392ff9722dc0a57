import { address } from '../api.js';
import { button, emptyState, h, icon, labelled, number, sentence, time } from '../main.js';
import { listView, listWithDrawer, menuButton } from '../parts/table.js';
import { here, pageHead, setQuery, to, withQuery } from '../router.js';
import { can } from '../session.js';

const DEFAULT_COLUMNS = 4;
const isPlain = (value) => value === null || typeof value !== 'object';

export function shown(value) {
  if (value === undefined || value === null) return '';
  if (typeof value === 'boolean') return value ? 'Yes' : 'No';
  if (typeof value === 'number') return value.toLocaleString('en', { maximumFractionDigits: 6 });
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return time(value);
  return isPlain(value)
    ? String(value)
    : Array.isArray(value)
      ? `${value.length} items`
      : `${Object.keys(value).length} fields`;
}

/** The properties that the rows at hand have, the ones that fit a cell first. */
function propertiesOf(items) {
  const keys = new Map();
  for (const { data } of items)
    for (const [key, value] of Object.entries(data ?? {})) keys.set(key, keys.get(key) !== false && isPlain(value));
  return [...keys].sort(([, a], [, b]) => b - a).map(([key]) => key);
}

function columnsOf(items) {
  const chosen = new URLSearchParams(location.search).get('columns');
  const properties =
    chosen === null ? propertiesOf(items).slice(0, DEFAULT_COLUMNS) : chosen.split(',').filter(Boolean);
  const numeric = (key) => items.some(({ data }) => typeof data?.[key] === 'number');
  return [
    { label: 'Name', sort: 'name', fit: true, cell: (entity) => entity.name || 'Untitled' },
    ...properties.map((key) => ({
      label: sentence(key),
      phoneLabel: sentence(key),
      fit: true,
      numeric: numeric(key),
      cell: ({ data }) => shown(data?.[key]),
    })),
    {
      label: 'Confidence',
      numeric: true,
      phoneLabel: 'Confidence',
      cell: ({ confidence }) =>
        confidence === null || confidence === undefined ? '' : `${number(Math.round(confidence * 100))} %`,
    },
    { label: 'Updated', sort: 'updated_at', phoneLabel: 'Updated', cell: (entity) => time(entity.updated_at) },
    { label: 'Id', phoneOff: true, cell: ({ id }) => h('code', { class: 'faint', title: id }, id.slice(-8)) },
  ];
}

function columnPicker(known) {
  function boxes() {
    const now = new URLSearchParams(location.search).get('columns');
    const chosen = now === null ? known().slice(0, DEFAULT_COLUMNS) : now.split(',');
    return known().map((key) =>
      h(
        'label',
        { class: 'check' },
        h('input', { type: 'checkbox', value: key, checked: chosen.includes(key) }),
        sentence(key),
      ),
    );
  }
  function choose({ currentTarget }) {
    const columns = [...currentTarget.querySelectorAll('input:checked')].map(({ value }) => value).join(',');
    setQuery({ columns: columns || ',' });
  }
  return menuButton('Columns', {
    glyph: 'columns',
    onchange: choose,
    content: () => (known().length ? boxes() : h('p', { class: 'muted' }, 'These entities have no properties.')),
  });
}

/** What the address asks of the list: the same for its rows and its groups. */
function askedOf(query) {
  return { q: query.get('search'), filter: query.get('filter'), deleted: query.get('deleted') };
}

function filterMenu() {
  const menu = menuButton('Filter', {
    content: () => {
      const input = h('input', {
        class: 'input code',
        name: 'filter',
        value: new URLSearchParams(location.search).get('filter') ?? '',
        autocomplete: 'off',
        spellcheck: 'false',
      });
      const submit = (event) => {
        event.preventDefault();
        setQuery({ filter: input.value.trim(), cursor: null });
        menu.close();
      };
      return h(
        'form',
        { class: 'menu-form', onsubmit: submit },
        labelled('Filter', input, { hint: 'Such as data.city = "Paris" and confidence >= 0.5' }),
        button('Apply', { type: 'submit', tone: 'primary small' }),
      );
    },
  });
  return menu;
}

function groupMenu(type, known, numeric) {
  return menuButton('Group by…', {
    onchange: ({ currentTarget }) => {
      const [group, measure] = [...currentTarget.querySelectorAll('select')].map(({ value }) => value);
      setQuery({ group, measure: group && measure });
    },
    content: () => {
      const place = h('div', { class: 'menu-form' });
      import('../parts/groups.js').then(({ groupForm }) => {
        place.replaceChildren(...groupForm({ known: known(), numeric: numeric() }));
        place.querySelector('select').focus();
      });
      return place;
    },
  });
}

/** The filter and the groups of the address, above the list. */
function asking(type) {
  const filter = h('div', { hidden: true });
  const groups = h('div', {});
  let asked = '';
  let running = null;
  function update({ query }) {
    const text = query.get('filter');
    filter.hidden = !text;
    if (text)
      filter.replaceChildren(
        h(
          'p',
          { class: 'asked row' },
          'Filter',
          h('code', {}, text),
          h('a', { class: 'button small', href: withQuery({ filter: null, cursor: null }) }, 'Clear the filter'),
        ),
      );
    const [group, measure] = [query.get('group'), query.get('measure') ?? undefined];
    const params = askedOf(query);
    const key = JSON.stringify([group, measure, params]);
    if (key === asked) return;
    asked = key;
    running?.abort();
    if (!group) return groups.replaceChildren();
    running = new AbortController();
    const { signal } = running;
    import('../parts/groups.js').then(({ showGroups }) => showGroups(groups, type, { group, measure, params, signal }));
  }
  return { node: h('div', { class: 'stack' }, filter, groups), update };
}

function transferMenu(type) {
  const resource = `entities.${type}`;
  const exportLink = (format, text) =>
    h(
      'a',
      { class: 'menu-item', href: address(`/entities/${type}/export`, { format }), download: `${type}.${format}` },
      icon('download'),
      text,
    );
  const entries = [
    can(resource, 'create') &&
      h('a', { class: 'menu-item', href: to(`entities/${type}/import`) }, icon('upload'), 'Import a file'),
    can(resource, 'export') && [exportLink('csv', 'Export as CSV'), exportLink('jsonl', 'Export as JSON Lines')],
  ]
    .flat()
    .filter(Boolean);
  return entries.length > 0 && menuButton('Import and export', { content: () => entries });
}

function actionsFor(type) {
  const mayCreate = can(`entities.${type}`, 'create');
  return [
    transferMenu(type),
    button('New entity', {
      glyph: 'plus',
      tone: 'primary',
      disabled: !mayCreate,
      title: mayCreate ? null : 'Your role may not create these',
      onclick: () => setQuery({ open: 'new' }),
    }),
  ];
}

function entityList(root, type) {
  let known = [];
  let numeric = [];
  const list = listView({
    path: `/entities/${type}`,
    noun: 'entity',
    live: [type],
    nouns: 'entities',
    sort: '-updated_at',
    columns: (items) => {
      known = propertiesOf(items);
      numeric = known.filter((key) => items.some(({ data }) => typeof data?.[key] === 'number'));
      return columnsOf(items);
    },
    params: askedOf,
    hidden: ['filter'],
    rowHref: (entity) => withQuery({ open: entity.id }),
    search: { placeholder: 'Search' },
    filters: [
      {
        name: 'deleted',
        label: 'Deleted entities',
        options: [
          ['', 'Not deleted'],
          ['only', 'Deleted'],
          ['include', 'Deleted or not'],
        ],
      },
    ],
    tools: [
      filterMenu(),
      groupMenu(
        type,
        () => known,
        () => numeric,
      ),
      columnPicker(() => known),
    ],
    missing: {
      icon: 'search',
      title: 'There is no such type',
      text: `Nothing here is called ${type}, or you may not know of it.`,
      action: h('a', { class: 'button', href: to('entity-types') }, 'Entity types'),
    },
    empty: {
      icon: 'layers',
      title: `No ${sentence(type).toLowerCase()} yet`,
      text: 'Create the first one here, import a file, or send one through the API.',
      action:
        can(`entities.${type}`, 'create') &&
        h('a', { class: 'button', href: to(`entities/${type}/import`) }, icon('upload'), 'Import a file'),
    },
  });
  const above = asking(type);
  root.append(
    pageHead({
      title: sentence(type),
      back: { href: to('entity-types'), label: 'Entity types' },
      actions: actionsFor(type),
    }),
    above.node,
    list.node,
  );
  const page = listWithDrawer(list, async (id, hooks) =>
    (await import('../drawers/entity.js')).entityDrawer(type, id, hooks),
  );
  above.update(here());
  return {
    ...page,
    update: (place) => {
      above.update(place);
      return page.update(place);
    },
  };
}

export default function entities({ root, segments: [type, action] }) {
  if (!type) {
    root.append(
      pageHead({ title: 'Entities' }),
      emptyState({
        icon: 'layers',
        title: 'Which type?',
        text: 'Entities are listed by their type.',
        action: h('a', { class: 'button', href: to('entity-types') }, 'Entity types'),
      }),
    );
    return {};
  }
  if (action === 'import') {
    import('../parts/import.js').then(({ importPage }) => importPage(root, type));
    return {};
  }
  return entityList(root, type);
}
