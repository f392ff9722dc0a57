// What a webhook sent, or will: how it went, what it said, and sending it again.

import { get, post } from '../api.js';
import { badge, button, emptyState, facts, h, number, problemNotice, time } from '../main.js';
import { wordsOf } from '../pages/webhooks.js';
import { attempt } from './dialog.js';
import { toast } from './toast.js';

const SHOWN = 10;
const LOOK_AGAIN_MS = 1000;
const LOOKS = 8;

const STATES = {
  waiting: (one) => (one.attempts ? badge('To be tried again', 'caution') : badge('Waiting')),
  delivered: () => badge('Delivered', 'good'),
  failed: () => badge('Given up', 'danger'),
};

function outcome({ status, error, attempts, duration_ms: took }) {
  if (!attempts) return error ?? 'Not sent yet.';
  const tries = attempts > 1 ? ` (${attempts} tries)` : '';
  return `${error ?? `Answered ${status} in ${number(took)} ms`}${tries}`;
}

const text = (label, value) => [
  h('p', { class: 'muted small' }, label),
  h('pre', { class: 'quote', tabindex: '0', role: 'region', 'aria-label': label }, value),
];

function contents(delivery) {
  return h(
    'details',
    {},
    h('summary', {}, 'What was sent and answered'),
    h(
      'div',
      { class: 'stack' },
      facts([
        ['Message id', h('code', { class: 'break' }, delivery.message_id)],
        ['Answer', delivery.status && `Status ${delivery.status}`],
        ['Made', time(delivery.created_at, { full: true })],
        ['Repeats', delivery.replay_of && 'An earlier delivery, sent again by hand'],
      ]),
      text('Sent', JSON.stringify(delivery.body, null, 1)),
      delivery.answer && text('The answer begins', delivery.answer),
    ),
  );
}

function line(delivery, again) {
  const name = wordsOf(delivery.action);
  return h(
    'li',
    {},
    h(
      'div',
      { class: 'grow' },
      h('div', { class: 'row' }, h('span', { class: 'strong' }, name), STATES[delivery.state](delivery)),
      h('div', { class: 'muted small break' }, outcome(delivery)),
      contents(delivery),
    ),
    h(
      'div',
      { class: 'stack end' },
      time(delivery.finished_at ?? delivery.created_at),
      again &&
        delivery.state !== 'waiting' &&
        button('Send again', {
          tone: 'small',
          'aria-label': `Send again: ${name}`,
          onclick: ({ currentTarget }) => again(delivery, currentTarget),
        }),
    ),
  );
}

/** The latest deliveries; `mayReplay` shows the button, `settled` hears when none waits any more. */
export function deliveries(hook, { mayReplay, settled }) {
  const path = `/webhooks/${hook.id}/deliveries`;
  const failure = h('div', {});
  const rows = h('ul', { class: 'lines' });
  const foot = h('div', {});
  const node = h('div', { class: 'stack' }, failure, rows, foot);
  let looks = 0;

  async function again(delivery, control) {
    const done = await attempt(control, failure, () => post(`${path}/${delivery.id}/replay`, {}));
    if (!done) return;
    toast('It is being sent again.');
    follow();
  }

  async function load(cursor) {
    try {
      const page = await get(path, { limit: SHOWN, ...(cursor && { cursor }) });
      failure.replaceChildren();
      const lines = page.items.map((one) => line(one, mayReplay && again));
      if (cursor) rows.append(...lines);
      else rows.replaceChildren(...lines);
      const more = () => load(page.next_cursor);
      foot.replaceChildren(page.next_cursor ? button('Older ones', { tone: 'small', onclick: more }) : '');
      if (!rows.children.length) {
        const nothing = { icon: 'bolt', title: 'Nothing was sent yet', text: 'Send a test to try it.' };
        foot.replaceChildren(emptyState(nothing));
      }
      return page.items.some((one) => one.state === 'waiting' && !one.attempts);
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      failure.replaceChildren(problemNotice(problem, () => load(cursor)));
      return false;
    }
  }

  /** Looks a few times more, until what was asked for is sent. */
  async function follow() {
    looks = LOOKS;
    while (looks > 0) {
      looks -= 1;
      const waits = await load();
      if (!node.isConnected) return;
      if (!waits) break;
      await new Promise((done) => setTimeout(done, LOOK_AGAIN_MS));
    }
    settled?.();
  }

  load();
  return { node, follow };
}
