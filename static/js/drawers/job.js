// One job: what it does, how its attempts ended, running it again and calling it off.

import { get, post, segment } from '../api.js';
import { badge, button, copyable, facts, h, notice, time } from '../main.js';
import { progressOf, stateOf, tries, whenOf } from '../pages/jobs.js';
import { attempt as during, confirm, recordDrawer } from '../parts/dialog.js';
import { toast } from '../parts/toast.js';
import { auditLink } from '../router.js';
import { can } from '../session.js';

const LOOK_AGAIN_MS = 1000;
const OUTCOMES = {
  done: () => badge('Done', 'good'),
  failed: () => badge('Failed', 'danger'),
  cancelled: () => badge('Cancelled'),
  lost: () => badge('The process ended', 'caution'),
};
const PRIORITIES = { high: 'Before others', low: 'After others' };

const line = (one) =>
  h(
    'li',
    {},
    h(
      'div',
      { class: 'grow' },
      h('div', { class: 'row' }, h('span', { class: 'strong' }, `Attempt ${one.number}`), OUTCOMES[one.outcome]()),
      one.error && h('div', { class: 'muted small break' }, one.error),
    ),
    time(one.finished_at),
  );

const history = (job) =>
  h(
    'div',
    { class: 'section' },
    h('h3', {}, 'Attempts'),
    job.history.length
      ? h('ul', { class: 'lines' }, job.history.toReversed().map(line))
      : h('p', { class: 'muted' }, 'None has ended yet.'),
  );

function cancel(job, done) {
  const running = job.state === 'running';
  return confirm({
    title: `Cancel “${job.title}”?`,
    text: running
      ? 'Its attempt is ended as soon as it can be. What it did already stays done. It can be run again.'
      : 'It is not run. It can be run again later.',
    verb: 'Cancel job',
    work: async () => {
      await post(`/jobs/${job.id}/cancel`, {});
      toast(running ? 'It is being ended.' : 'The job is cancelled.');
      done();
    },
  });
}

function actions(job, done, failure) {
  if (!can('jobs', 'write')) return [];
  const retry = ({ currentTarget }) =>
    during(currentTarget, failure, async () => {
      await post(`/jobs/${job.id}/retry`, {});
      toast('It is due now.');
      done();
    });
  const retried = ['failed', 'cancelled'].includes(job.state) && job.kind !== 'webhooks.deliver';
  const stoppable = job.state === 'running' ? !job.cancelling : job.state === 'waiting' && !job.recurring;
  return [
    stoppable && button('Cancel job', { tone: 'danger-quiet start', onclick: () => cancel(job, done) }),
    (retried || job.state === 'waiting') &&
      button(retried ? 'Run again' : 'Run now', { tone: 'primary', glyph: 'bolt', onclick: retry }),
  ].filter(Boolean);
}

export function jobDrawer(id, { changed, closed }) {
  return recordDrawer({
    title: 'Job',
    closed,
    load: async (drawer) => {
      const job = await get(`/jobs/${segment(id)}`);
      const failure = h('div', {});
      const done = () => {
        changed();
        drawer.reload();
      };
      drawer.setTitle(job.title);
      drawer.setFoot(auditLink({ target_type: 'job', target_id: job.id }), ...actions(job, done, failure));
      drawer.body.replaceChildren(
        h(
          'div',
          { class: 'stack' },
          job.state === 'failed' &&
            notice('danger', h('p', { class: 'strong' }, 'It was given up'), h('p', {}, job.error ?? '')),
          facts([
            ['State', h('span', { class: 'row' }, stateOf(job), progressOf(job))],
            ['About', job.about],
            ['When', h('span', {}, whenOf(job))],
            ['Tried', tries(job)],
            ['Comes by itself', job.recurring && 'Yes'],
            ['Order', PRIORITIES[job.priority]],
            ['Made', time(job.created_at, { full: true })],
            ['Id', copyable(job.id, 'Copy the id')],
          ]),
          failure,
        ),
        history(job),
      );
      const look = () => drawer.body.isConnected && drawer.reload();
      if (job.state === 'running') setTimeout(look, LOOK_AGAIN_MS);
    },
  });
}
