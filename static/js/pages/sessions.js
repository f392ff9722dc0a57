import { get, remove, segment } from '../api.js';
import { badge, button, emptyState, h, problemNotice, time } from '../main.js';
import { table } from '../parts/table.js';
import { pageHead } from '../router.js';
import { signOut } from '../session.js';

const BROWSERS = [
  ['Edg/', 'Edge'],
  ['OPR/', 'Opera'],
  ['Firefox/', 'Firefox'],
  ['Chrome/', 'Chrome'],
  ['Safari/', 'Safari'],
  ['curl/', 'curl'],
  ['python', 'Python'],
];
const SYSTEMS = [
  ['Android', 'Android'],
  ['iPhone', 'iPhone'],
  ['iPad', 'iPad'],
  ['Windows', 'Windows'],
  ['Mac OS', 'macOS'],
  ['Linux', 'Linux'],
];
const KINDS = { cookie: 'Console', token: 'API client' };

const confirm = async (options) => (await import('../parts/dialog.js')).confirm(options);
const toast = async (text) => (await import('../parts/toast.js')).toast(text);

function device(agent = '') {
  const named = (list) => list.find(([mark]) => agent?.includes(mark))?.[1];
  return [named(BROWSERS) ?? (agent?.split(' ')[0] || 'Unknown client'), named(SYSTEMS)].filter(Boolean).join(' on ');
}

function columns(end) {
  return [
    {
      label: 'Device',
      cell: (item) =>
        h(
          'span',
          { class: 'row strong', title: item.user_agent },
          device(item.user_agent),
          item.current && badge('This one', 'good'),
          item.new_device && badge('New device', 'caution'),
        ),
    },
    { label: 'Kind', cell: (item) => KINDS[item.kind] ?? item.kind },
    { label: 'Address', cell: (item) => item.ip },
    { label: 'Last used', phoneLabel: 'Used', cell: (item) => time(item.last_used_at) },
    { label: 'Signed in', phoneLabel: 'Signed in', cell: (item) => time(item.created_at) },
    { label: 'Ends', phoneLabel: 'Ends', cell: (item) => time(item.expires_at) },
    {
      label: h('span', { class: 'visually-hidden' }, 'Actions'),
      numeric: true,
      cell: (item) =>
        !item.current &&
        button('End', {
          tone: 'small',
          'aria-label': `End the session of ${device(item.user_agent)}`,
          onclick: () => end(item),
        }),
    },
  ];
}

export default function sessions({ root }) {
  const body = h('div', {});
  const everywhere = button('Sign out everywhere', {
    onclick: () =>
      confirm({
        title: 'Sign out on every device?',
        text: 'All your sessions end, this one too. You sign in again with your password.',
        verb: 'Sign out everywhere',
        work: () => signOut(true),
      }),
  });
  root.append(
    pageHead({ title: 'My sessions', lead: 'Where you are signed in.', actions: [everywhere] }),
    h('section', { class: 'card', 'aria-label': 'My sessions' }, body),
  );

  const end = (item) =>
    confirm({
      title: `End the session of ${device(item.user_agent)}?`,
      text: 'That device is signed out at once. This cannot be undone; it can sign in again.',
      verb: 'End session',
      work: async () => {
        await remove(`/auth/sessions/${segment(item.id)}`);
        await load();
        toast('The session has ended.');
      },
    });

  async function load() {
    try {
      const { items } = await get('/auth/sessions');
      body.replaceChildren(
        items.length
          ? h('div', { class: 'table-scroll' }, table({ label: 'Sessions', columns: columns(end), items }))
          : emptyState({ icon: 'monitor', title: 'No sessions', text: 'Sign in somewhere and it shows up here.' }),
      );
    } catch (problem) {
      const failure = h('div', { class: 'card-body' }, problemNotice(problem, load));
      if (body.querySelector('tbody')) body.replaceChildren(failure, body.querySelector('.table-scroll'));
      else body.replaceChildren(failure);
    }
  }
  load();
  return { refresh: load };
}
