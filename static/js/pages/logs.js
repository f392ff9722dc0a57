import { badge, h, sentence, time } from '../main.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead } from '../router.js';

const TONES = { error: 'danger', warn: 'caution' };
const WORDS = { error: 'Error', warn: 'Warning', info: 'Information', debug: 'Detail', trace: 'Trace' };

const part = (target) => sentence(target.replace(/^portcullis(::)?/, '').split('::')[0] || 'program');

/** What a line says beside its message, as `name value`. */
function rest({ fields }) {
  const said = Object.entries(fields).filter(([, value]) => value !== null && value !== '');
  return said.map(([name, value]) => h('span', { class: 'pair' }, h('span', { class: 'faint' }, `${name} `), `${value}  `));
}

const columns = [
  {
    label: 'What happened',
    cell: (line) =>
      h('div', {}, h('span', { class: 'strong' }, sentence(line.message)), h('div', { class: 'small break' }, rest(line))),
  },
  { label: 'Level', cell: ({ level }) => badge(WORDS[level] ?? level, TONES[level] ?? '') },
  { label: 'From', cell: ({ target }) => part(target) },
  { label: 'When', cell: ({ at }) => time(at) },
];

export default function logs({ root }) {
  const list = listView({
    path: '/logs',
    noun: 'line',
    columns,
    plain: true,
    params: (query) => ({ level: query.get('level'), q: query.get('search'), limit: 100 }),
    search: { placeholder: 'Search for a word or a request id' },
    filters: [
      {
        name: 'level',
        label: 'Level',
        options: [
          ['', 'Any level'],
          ['error', 'Errors'],
          ['warn', 'Warnings and errors'],
          ['info', 'Information and above'],
        ],
      },
    ],
    empty: { icon: 'list', title: 'Nothing was logged yet', text: 'Changes, refusals and whatever fails stand here, the latest first.' },
  });
  root.append(
    pageHead({
      title: 'Logs',
      lead: 'The latest 2,000 lines since the start. The whole log is in its file, or wherever standard error goes.',
    }),
    list.node,
  );
  return listWithDrawer(list, async () => ({ dismiss: () => {} }));
}
