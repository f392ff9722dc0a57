import { badge, button, h, number, sentence, time } from '../main.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead, setQuery, to, withQuery } from '../router.js';
import { can, CLEARANCES } from '../session.js';

const ORDER = CLEARANCES.map(([level]) => level);

function strictest(type) {
  const levels = Object.values(type.fields ?? {}).map(({ sensitivity }) => ORDER.indexOf(sensitivity));
  const level = ORDER[Math.max(1, ...levels)];
  return badge(sentence(level), { confidential: 'accent', restricted: 'caution' }[level]);
}

export const isUnderWay = ({ indexing, migration }) => Number.isInteger(indexing) || Boolean(migration);

function inShort({ indexing, migration }) {
  if (migration) return `Being migrated: ${migration.percent} %`;
  return Number.isInteger(indexing) ? `Indexes: ${indexing} %` : '';
}

const propertiesOf = (type) => Object.keys(type.schema?.properties ?? {});

const columnsFor = (types) => [
  { label: 'Type', cell: (type) => sentence(type.name) },
  {
    label: 'Properties',
    fit: true,
    cell: (type) => propertiesOf(type).map(sentence).join(', ') || h('span', { class: 'faint' }, 'Any object'),
  },
  { label: 'Most sensitive', phoneLabel: 'Holds', cell: strictest },
  ...(types.some((type) => type.entity_count !== undefined)
    ? [{ label: 'Entities', numeric: true, phoneLabel: 'Entities', cell: (type) => number(type.entity_count) }]
    : []),
  ...(types.some(isUnderWay) ? [{ label: 'Under way', phoneLabel: 'Under way', cell: inShort }] : []),
  { label: 'Updated', phoneLabel: 'Updated', cell: (type) => time(type.updated_at) },
  {
    label: h('span', { class: 'visually-hidden' }, 'Definition'),
    numeric: true,
    above: true,
    cell: (type) =>
      h(
        'a',
        {
          class: 'button small',
          href: withQuery({ open: type.name }),
          'aria-label': `Definition of ${sentence(type.name)}`,
        },
        'Definition',
      ),
  },
];

export default function entityTypes({ root }) {
  const mayCreate = can('entity_types', 'create');
  const create = () =>
    button('New type', {
      glyph: 'plus',
      tone: 'primary',
      disabled: !mayCreate,
      title: mayCreate ? null : 'Your role may not create types',
      onclick: () => setQuery({ open: 'new' }),
    });
  const list = listView({
    path: '/entity-types',
    noun: 'entity type',
    columns: columnsFor,
    moving: isUnderWay,
    rowHref: (type) => to(`entities/${type.name}`),
    empty: {
      icon: 'layers',
      title: 'No entity types yet',
      text: 'A type describes one kind of record, such as customers: its properties and who may see them.',
      action: mayCreate && button('Create the first type', { onclick: () => setQuery({ open: 'new' }) }),
    },
  });
  root.append(pageHead({ title: 'Entity types', actions: [create()] }), list.node);
  return listWithDrawer(list, async (name, hooks) =>
    (await import('../drawers/entity-type.js')).entityTypeDrawer(name, hooks),
  );
}
