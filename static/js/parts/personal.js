// Personal data of a user or an entity: take it out, anonymise, erase.

import { post } from '../api.js';
import { button, facts, h, icon } from '../main.js';
import { confirm } from './dialog.js';
import { field } from './form.js';
import { toast } from './toast.js';

const ACTS = {
  anonymise: { verb: 'Anonymise', done: 'anonymised' },
  erase: { verb: 'Erase', done: 'erased' },
};

/** What goes and what stays, in words. */
const FATE = {
  user: {
    goes: 'Address, name, data, password, second factor, sessions, keys and links, and their name in the audit log',
    stays: {
      anonymise: 'A disabled account without a name, and what they own',
      erase: 'The id, and what they own. The account cannot be restored.',
    },
  },
  entity: {
    goes: 'Name, personal fields and files, in its history and in the audit log too',
    stays: {
      anonymise: 'The other fields, which stay in use',
      erase: 'That it was there, and its other fields in the history. It cannot be restored.',
    },
  },
};

function forget({ kind, path, name, proof, after }, act) {
  const { verb, done } = ACTS[act];
  const fate = FATE[kind];
  const reason = field({ name: 'reason', label: 'Reason for the audit log', optional: true, autocomplete: 'off' });
  const typed = field({ name: 'proof', label: `Type ${proof} to go on`, autocomplete: 'off', spellcheck: false });
  return confirm({
    title: `${verb} ${name}?`,
    text: 'This cannot be undone, and a backup that is restored later forgets it again.',
    body: h(
      'div',
      { class: 'stack' },
      facts([
        ['Goes', fate.goes],
        ['Stays', fate.stays[act]],
      ]),
      reason,
      typed,
    ),
    verb,
    guard: { input: typed.querySelector('input'), expected: proof },
    work: async () => {
      const why = reason.querySelector('input').value.trim();
      await post(`${path}/${act}`, why ? { reason: why } : {});
      toast(`${name} was ${done}.`);
      after();
    },
  });
}

/** `subject`: kind, path in the API, name, what has to be typed, and what is done afterwards. */
export function personalSection(subject, { mayExport, mayForget }) {
  if (!mayExport && !mayForget) return '';
  return h(
    'div',
    { class: 'section' },
    h('h3', {}, 'Personal data'),
    h(
      'div',
      { class: 'row' },
      mayExport &&
        h(
          'a',
          { class: 'button', href: `/api/v1${subject.path}/export`, download: `${subject.kind}-${subject.id}.json` },
          icon('download'),
          'Export',
        ),
      mayForget && button('Anonymise', { onclick: () => forget(subject, 'anonymise') }),
      mayForget && button('Erase', { tone: 'danger-quiet', onclick: () => forget(subject, 'erase') }),
    ),
  );
}
