// Personal data of a user or an entity: take it out, anonymise, erase.

import { get, literal, post } from '../api.js';
import { button, count, facts, h, icon, sentence } from '../main.js';
import { confirm } from './dialog.js';
import { field, fieldError } from './form.js';
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
      erase: 'The id. The account cannot be restored.',
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

const OWNED = [
  ['keep', 'It stays, and its owner is nobody'],
  ['erase', 'It is erased too'],
  ['hand_over', 'Somebody else owns it'],
];
const FATES = { keep: 'stay', erase: 'are being erased too', hand_over: 'are being handed over' };

/** Asks what becomes of what an account owns. `read()` answers that for the API. */
function ownedChoice() {
  const fate = field({ type: 'select', name: 'owned', label: 'What they own', options: OWNED, value: 'keep' });
  const next = field({ name: 'to', label: 'Address of the next owner', autocomplete: 'off', spellcheck: false });
  const [select, address] = [fate.querySelector('select'), next.querySelector('input')];
  next.hidden = true;
  select.addEventListener('change', () => {
    next.hidden = select.value !== 'hand_over';
    if (!next.hidden) address.focus();
  });

  async function read() {
    if (select.value !== 'hand_over') return { owned: select.value };
    const email = address.value.trim().toLowerCase();
    const found = await get('/users', { filter: `email = ${literal(email)}`, limit: 1 });
    if (!found.items.length) throw fieldError('/to', `There is no account for ${email || 'an empty address'}.`);
    return { owned: 'hand_over', to: found.items[0].id };
  }
  return { node: h('div', { class: 'stack' }, fate, next), read };
}

/** What an account owned, and what becomes of it, in a sentence. */
function ownedWords({ fate, entities, files }) {
  const parts = Object.entries(entities).map(([name, n]) => `${sentence(name)}: ${n}`);
  if (files) parts.push(count(files, 'file'));
  return parts.length ? ` ${parts.join(', ')} ${FATES[fate]}.` : '';
}

function forget({ kind, path, name, proof, after }, act) {
  const { verb, done } = ACTS[act];
  const fate = FATE[kind];
  const reason = field({ name: 'reason', label: 'Reason for the audit log', optional: true, autocomplete: 'off' });
  const owned = kind === 'user' && act === 'erase' ? ownedChoice() : null;
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
      owned?.node,
      reason,
      typed,
    ),
    verb,
    guard: { input: typed.querySelector('input'), expected: proof },
    work: async () => {
      const why = reason.querySelector('input').value.trim();
      const answer = await post(`${path}/${act}`, { ...(why && { reason: why }), ...(await owned?.read()) });
      toast(`${name} was ${done}.${owned ? ownedWords(answer.owned) : ''}`);
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
