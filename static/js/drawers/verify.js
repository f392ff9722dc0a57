// Checks the whole audit chain and says what it found.

import { get } from '../api.js';
import { openDialog } from '../parts/dialog.js';
import { button, copyable, count, facts, h, notice, number, problemNotice } from '../main.js';

function verdict({ valid, checked, head_seq: head, head_hash: hash, first_broken_seq: broken }) {
  return h(
    'div',
    { class: 'stack' },
    valid
      ? notice(
          'good',
          h('p', { class: 'strong' }, 'The chain is whole.'),
          h('p', {}, `${count(checked, 'event')} checked; none was altered or removed.`),
        )
      : notice(
          'danger',
          h('p', { class: 'strong' }, `The chain is broken at event ${number(broken)}.`),
          h(
            'p',
            {},
            'That event, or one before it, was changed outside Portcullis. Keep a copy of the database before doing anything else.',
          ),
        ),
    facts([
      ['Latest event', number(head)],
      ['Its hash', hash && copyable(hash, 'Copy the hash')],
    ]),
  );
}

export async function verifyChain() {
  const box = openDialog({
    title: 'Verify the audit chain',
    body: h(
      'div',
      { class: 'stack' },
      h('p', { class: 'muted' }, 'Reading every event and computing its hash anew…'),
      h('progress', { class: 'progress', 'aria-label': 'Verifying' }),
    ),
    foot: [],
  });
  box.setFoot(button('Close', { tone: 'primary', onclick: box.close }));
  try {
    box.body.replaceChildren(verdict(await get('/audit/verify')));
  } catch (problem) {
    if (problem.errors === undefined) throw problem;
    box.body.replaceChildren(problemNotice(problem));
  }
}
