import { badge, h, time } from '../main.js';
import { listView, listWithDrawer } from '../parts/table.js';
import { pageHead, withQuery } from '../router.js';

const STATES = [
  ['', 'Any state'],
  ['active', 'Running'],
  ['unreviewed', 'To be reviewed'],
  ['ended', 'Ended'],
];

export const isActive = ({ state, expires_at: until }) => state === 'active' && new Date(until) > new Date();

export function stateBadge(elevation) {
  if (isActive(elevation)) return badge('Running', 'danger');
  return elevation.reviewed_at ? badge('Reviewed', 'good') : badge('To be reviewed', 'caution');
}

const COLUMNS = [
  { label: 'Who', sort: 'user_email', fit: true, cell: (elevation) => elevation.user_email },
  { label: 'Reason', phoneLabel: 'Reason', fit: true, cell: (elevation) => elevation.reason },
  { label: 'State', cell: stateBadge },
  { label: 'Began', sort: 'created_at', phoneLabel: 'Began', cell: (elevation) => time(elevation.created_at) },
  {
    label: 'End',
    sort: 'expires_at',
    phoneLabel: 'End',
    cell: (elevation) => time(elevation.ended_at ?? elevation.expires_at),
  },
  { label: 'From', phoneLabel: 'From', cell: (elevation) => elevation.ip ?? '' },
];

export default function elevations({ root }) {
  const list = listView({
    path: '/elevations',
    noun: 'elevation',
    columns: COLUMNS,
    params: (query) => ({ state: query.get('state') }),
    sort: '-created_at',
    filters: [{ name: 'state', label: 'State', options: STATES }],
    rowHref: (elevation) => withQuery({ open: elevation.id }),
    empty: {
      icon: 'shield',
      title: 'Nobody broke the glass',
      text: 'Whoever may do so finds it under their account.',
    },
  });
  root.append(
    pageHead({ title: 'Elevations', lead: 'Who held every permission for a while, why, and what came of it.' }),
    list.node,
  );
  return listWithDrawer(list, async (id, hooks) =>
    (await import('../drawers/elevation.js')).elevationDrawer(id, hooks),
  );
}
