import { address, get, post, remove, segment } from '../api.js';
import { badge, button, bytes, count, emptyState, h, icon, notice, number, problemNotice, time } from '../main.js';
import { table } from '../parts/table.js';
import { auditLink, pageHead } from '../router.js';
import { can } from '../session.js';

const LOOK_AGAIN_MS = 1000;

const dialogs = () => import('../parts/dialog.js');
const toast = async (text) => (await import('../parts/toast.js')).toast(text);

const evidence = ({ rows, events, verify_ms: took }) =>
  `Decrypted in a scratch place in ${number(took)} ms: ${count(rows, 'row')}, ${count(events, 'audit event')}`;

function stateOf(backup) {
  if (backup.error) return h('span', { class: 'row', title: backup.error }, badge('Not to be trusted', 'danger'));
  if (!backup.verified) return badge('Not checked yet', 'caution');
  return h('span', { class: 'row', title: evidence(backup) }, badge('Checked', 'good'), time(backup.verified_at));
}

const columns = (check, drop) => [
  { label: 'Taken', cell: (backup) => time(backup.created_at) },
  { label: 'By', phoneLabel: 'Made', cell: (backup) => (backup.scheduled ? 'The schedule' : 'Hand') },
  { label: 'Size', phoneLabel: 'Size', numeric: true, cell: (backup) => bytes(backup.size) },
  { label: 'State', cell: stateOf },
  { label: 'Opens with', phoneOff: true, cell: (backup) => backup.recovery_key ? `Recovery key ${backup.recovery_key}` : 'This server alone' },
  {
    label: h('span', { class: 'visually-hidden' }, 'Actions'),
    numeric: true,
    cell: (backup) =>
      h(
        'span',
        { class: 'row' },
        h(
          'a',
          {
            class: 'button small',
            href: address(`/backups/${segment(backup.name)}/download`),
            download: backup.name,
            'aria-label': `Download ${backup.name}`,
          },
          icon('download'),
          'Download',
        ),
        can('backups', 'create') &&
          button('Check', { tone: 'small', 'aria-label': `Check ${backup.name}`, onclick: () => check(backup) }),
        can('backups', 'delete') &&
          button('Delete', { tone: 'small', 'aria-label': `Delete ${backup.name}`, onclick: () => drop(backup) }),
      ),
  },
];

function state({ schedule, keep, keep_days: days, recovery_key: key, beside_data: beside, place, files_elsewhere: elsewhere }) {
  const kept = `The newest ${number(keep)} are kept${days ? `, for ${count(days, 'day')}` : ''}.`;
  return [
    schedule
      ? notice('', h('p', {}, `${schedule.words}. `, 'Next ', time(schedule.next_at), `. ${kept}`))
      : notice('caution', h('p', { class: 'strong' }, 'No schedule'), h('p', {}, 'Backups are made by hand only. Set backup.schedule in the configuration, such as 0 3 * * * for every night at three.')),
    beside &&
      notice('caution', h('p', {}, 'They lie in the data folder and are lost with it. Download them, or set backup.to to a folder elsewhere or a bucket.')),
    !beside && notice('', h('p', {}, `They lie in ${place}.`)),
    elsewhere &&
      notice('caution', h('p', {}, 'Uploaded files lie in a bucket, which backups do not hold. Have the bucket keep versions, or copy it with a tool of yours.')),
    !key && notice('', h('p', {}, 'The first backup made by hand shows a recovery key, once. Only that key opens a backup when this server is lost.')),
  ].filter(Boolean);
}

async function giveKey(secret) {
  const { showOnce } = await dialogs();
  showOnce({
    title: 'Your recovery key',
    text: 'Write it down and keep it away from this server. It is not shown again, and when this server is lost nothing else opens a backup.',
    secret,
  });
}

export default function backups({ root }) {
  const body = h('div', { class: 'stack' });
  const failure = h('div', {});
  const list = h('section', { class: 'card', 'aria-label': 'List of backups' });
  const about = h('div', { class: 'stack' });
  body.append(failure, about, list);

  /** Looks again until the job is over. */
  async function follow(job) {
    let seen = job;
    while (root.isConnected && ['waiting', 'running'].includes(seen.state) && can('jobs', 'read')) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      seen = await get(`/jobs/${segment(job.id)}`);
    }
    return seen;
  }

  async function settle(job, words) {
    const seen = await follow(job);
    await load();
    if (seen.state === 'done') toast(words);
    else if (seen.state === 'failed') toast(`It failed: ${seen.error}`);
  }

  const create = async ({ currentTarget }) => {
    const { attempt } = await dialogs();
    const begin = async () => {
      const { recovery_key: key, ...job } = await post('/backups');
      if (key) giveKey(key);
      await settle(job, 'The backup is made. It is being checked.');
      setTimeout(() => root.isConnected && load(), 2 * LOOK_AGAIN_MS);
    };
    attempt(currentTarget, failure, begin);
  };
  const check = async (backup) => {
    toast('It is being checked.');
    await settle(await post(`/backups/${segment(backup.name)}/verify`), 'The check is over.');
  };
  const drop = async (backup) => {
    const { confirm } = await dialogs();
    return confirm({
      title: 'Delete this backup?',
      text: `${backup.name}, ${bytes(backup.size)}: the file is removed. This cannot be undone.`,
      verb: 'Delete backup',
      work: async () => {
        await remove(`/backups/${segment(backup.name)}`);
        await load();
        toast('The backup was deleted.');
      },
    });
  };

  async function load() {
    try {
      const listing = await get('/backups');
      failure.replaceChildren();
      about.replaceChildren(...state(listing));
      list.replaceChildren(
        listing.items.length
          ? table({ label: 'Backups', columns: columns(check, drop), items: listing.items })
          : emptyState({
              icon: 'download',
              title: 'No backups yet',
              text: 'A backup holds database, keys, files and configuration as of one moment, encrypted. The server goes on meanwhile.',
            }),
      );
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      failure.replaceChildren(problemNotice(problem, load));
    }
  }
  const actions = [
    can('audit', 'read') && auditLink({ target_type: 'backup' }),
    can('backups', 'create') && button('Back up now', { tone: 'primary', glyph: 'plus', onclick: create }),
  ].filter(Boolean);
  root.append(
    pageHead({ title: 'Backups', lead: 'What you go back to. A restore is done in the shell, with the server stopped.', actions }),
    body,
  );
  load();
  return { refresh: load };
}
