// The checks that a request went through, as sentences with a mark for how each went.

import { badge, h, icon, sentence } from '../main.js';
import { reachWords, sentencesOf } from '../session.js';

const NAMES = {
  origin: 'Site that the page came from',
  route: 'Address',
  method: 'Method',
  limit_by_address: 'Limits by network address',
  authentication: 'Who it is',
  csrf: 'Forged writes',
  kill_switch: 'Kill switch',
  limit_by_caller: 'Limits by caller',
  second_factor: 'Second factor',
  permission: 'Permission',
  ownership: 'Whose it is',
  conditions: 'What the act itself asks for',
  login_delay: 'Wait after failed sign-ins',
  challenge: 'Proof of work',
  credentials: 'Password and code',
  reauthentication: 'Password asked for anew',
  capacity: 'Room on the server',
};
const OUTCOMES = {
  passed: ['check', 'good', 'Passed'],
  refused: ['close', 'danger', 'Refused'],
  observed: ['info', 'caution', 'Let through, in observe mode'],
  not_reached: ['right', 'faint', 'Not reached'],
};

export const ruleName = (rule) => NAMES[rule] ?? sentence(rule);

/** `entities.orders:delete` as "delete orders". */
export const deed = (permission) => (sentencesOf([permission])[0] ?? permission).replace(/^Can /, '');

function holds(name, reach) {
  if (!reach) return `${name} does not allow it.`;
  return reach === 'any' ? `${name} allows it.` : `${name} allows it for ${reachWords(reach)}.`;
}

/** What a check on a permission knew, in words. */
function permissionWords({ needed, reach, roles, key }) {
  const words = [`It takes the right to ${deed(needed)}.`];
  if (!roles) words.push(holds('Not being signed in', reach));
  else if (!roles.length) words.push('The account has no roles.');
  else words.push(...roles.map((held) => holds(`The role ${sentence(held.role)}`, held.reach)));
  if (key) words.push(holds('What the key was made for', key.scopes), holds('Its owner', key.owner));
  return words.join(' ');
}

/** Details may name things in backticks. */
function marked(text) {
  return text.split('`').map((part, i) => (i % 2 ? h('code', {}, part) : part));
}

function item({ rule, outcome, detail, facts }) {
  const [glyph, tone, word] = OUTCOMES[outcome];
  const reached = outcome !== 'not_reached';
  const words = reached && facts?.needed && outcome !== 'observed' ? permissionWords(facts) : detail;
  return h(
    'li',
    { class: `check-step ${tone}` },
    h('span', { class: 'mark' }, icon(glyph, 14)),
    h(
      'div',
      { class: 'grow' },
      h('div', { class: 'row' }, h('span', { class: reached ? 'strong' : '' }, ruleName(rule)), outcomeOf(tone, word)),
      words && h('p', { class: 'muted small break' }, marked(words)),
    ),
  );
}

const outcomeOf = (tone, word) =>
  tone === 'danger' || tone === 'caution' ? badge(word, tone) : h('span', { class: 'faint small' }, word);

export const ruleList = (rules) => h('ol', { class: 'check-steps', 'aria-label': 'Checks, in order' }, rules.map(item));
