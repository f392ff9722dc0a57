import { badge, count, h, number, time } from '../main.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead, withQuery } from '../router.js';

const STATES = {
  waiting: ({ attempts }) => (attempts ? badge('To be tried again', 'caution') : badge('Waiting')),
  running: ({ cancelling }) => (cancelling ? badge('Being cancelled', 'caution') : badge('Running', 'accent')),
  done: () => badge('Done', 'good'),
  failed: () => badge('Given up', 'danger'),
  cancelled: () => badge('Cancelled'),
};

export const stateOf = (job) => STATES[job.state](job);

/** How far it is, as a picture and in words. */
export function progressOf({ state, progress }) {
  if (state !== 'running' || !progress) return null;
  const words = `${number(progress.done)} of ${number(progress.total)}`;
  return h(
    'span',
    { class: 'row' },
    h('progress', { class: 'progress', value: progress.done, max: Math.max(progress.total, 1), 'aria-label': `Progress: ${words}` }),
    h('span', { class: 'muted small' }, progress.message || words),
  );
}

export function whenOf(job) {
  if (job.finished_at) return ['Ended ', time(job.finished_at)];
  if (job.state === 'running') return ['Began ', time(job.started_at)];
  const due = new Date(job.due_at) <= new Date();
  return due ? 'Due now' : ['Next run ', time(job.due_at)];
}

const columns = [
  { label: 'Work', cell: (job) => job.title },
  { label: 'About', phoneOff: true, fit: true, cell: (job) => job.about ?? '' },
  { label: 'State', cell: (job) => h('span', { class: 'row' }, stateOf(job), progressOf(job)) },
  { label: 'When', phoneLabel: 'When', cell: (job) => h('span', {}, whenOf(job)) },
  {
    label: 'Attempts',
    sort: 'attempts',
    numeric: true,
    phoneLabel: 'Attempts',
    cell: ({ attempts }) => number(attempts),
  },
];

const LEAD = 'What the server does in the background: tried three times, taken up again after a crash.';

export default function jobs({ root }) {
  const list = listView({
    path: '/jobs',
    noun: 'job',
    columns,
    sort: '-updated_at',
    live: ['jobs'],
    params: (query) => ({ state: query.get('state') || null }),
    rowHref: (job) => withQuery({ open: job.id }),
    filters: [
      {
        name: 'state',
        label: 'State',
        options: [
          ['', 'Any state'],
          ['waiting', 'Waiting'],
          ['running', 'Running'],
          ['failed', 'Given up'],
          ['cancelled', 'Cancelled'],
          ['done', 'Done'],
        ],
      },
    ],
    empty: { icon: 'list', title: 'No jobs yet', text: 'Work that takes longer is done here, one job at a time.' },
  });
  root.append(pageHead({ title: 'Jobs', lead: LEAD }), list.node);
  return listWithDrawer(list, async (id, hooks) => (await import('../drawers/job.js')).jobDrawer(id, hooks));
}

export const tries = ({ attempts }) => (attempts ? count(attempts, 'attempt') : 'Not tried yet');
