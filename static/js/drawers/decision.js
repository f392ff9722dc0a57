// Why a request was refused, check by check. It lies over any page: `decision` in the address is its id or the request's.

import { get, segment } from '../api.js';
import { copyable, emptyState, facts, h, notice, sentence, time } from '../main.js';
import { recordDrawer } from '../parts/dialog.js';
import { ruleList, ruleName } from '../parts/rules.js';
import { setQuery, to, withQuery } from '../router.js';
import { can } from '../session.js';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const VIA = { token: 'with an access token', cookie: 'in the console', api_key: 'with an API key' };

/** The decision of that id, or those of that request. */
async function find(id) {
  if (ID.test(id)) {
    try {
      return [await get(`/decisions/${segment(id)}`)];
    } catch (problem) {
      if (problem.status !== 404) throw problem;
    }
  }
  return (await get('/decisions', { request_id: id })).items;
}

function callerOf({ caller, ip }) {
  const { type, id, label, roles, via } = caller;
  const name = type === 'anonymous' ? 'Someone not signed in' : label;
  const link = type === 'user' && can('users', 'read') && h('a', { href: to('users', { open: id }) }, name);
  const how = via.type === 'api_key' ? `with the API key ${via.name}` : VIA[via.type];
  const held = roles.length && `as ${roles.map(sentence).join(', ')}`;
  return h('span', {}, link || name, ` ${[how, held, ip && `from ${ip}`].filter(Boolean).join(', ')}`);
}

function others(found) {
  return h(
    'div',
    { class: 'section' },
    h('h3', {}, 'Other refusals of the same request id'),
    h(
      'ul',
      { class: 'lines' },
      found.map((one) =>
        h('li', {}, h('a', { class: 'grow', href: withQuery({ decision: one.id }) }, `${one.method} ${one.path}`), time(one.at)),
      ),
    ),
  );
}

function show(drawer, [decision, ...more]) {
  const refused = decision.rules.find(({ outcome }) => outcome === 'refused');
  drawer.body.replaceChildren(
    notice(
      'danger',
      h('p', { class: 'strong' }, `${decision.method} ${decision.path} was refused`),
      refused && h('p', {}, `The check that refused it: ${ruleName(refused.rule)}.`),
    ),
    h('div', { class: 'section' }, h('h3', {}, 'Check by check'), ruleList(decision.rules)),
    h(
      'div',
      { class: 'section' },
      h('h3', {}, 'The request'),
      facts([
        ['Who', callerOf(decision)],
        ['When', time(decision.at, { full: true })],
        ['Was told', `${decision.told} (${decision.status})`],
        ['Route', decision.route ?? 'None answers this address.'],
        [
          'Request',
          h(
            'span',
            { class: 'row' },
            copyable(decision.request_id, 'Copy the request id'),
            can('audit', 'read') &&
              h('a', { href: to('audit', { request_id: decision.request_id }) }, 'Its audit events'),
          ),
        ],
        ['Decision', copyable(decision.id, 'Copy the id of the decision')],
      ]),
    ),
    more.length ? others(more) : '',
  );
}

function decisionDrawer(id, closed) {
  return recordDrawer({
    title: 'Why was this refused?',
    closed,
    load: async (drawer) => {
      const found = await find(id);
      if (found.length) return show(drawer, found);
      return drawer.body.replaceChildren(
        emptyState({
          icon: 'search',
          title: 'No refusal is kept under this id',
          text: 'The latest refusals are kept in memory, for a day at most and until the server restarts. The audit log keeps what was denied.',
          action:
            can('audit', 'read') &&
            h('a', { class: 'button', href: to('audit', { request_id: id }) }, 'Look in the audit log'),
        }),
      );
    },
  });
}

let shown = null;

/** Keeps the drawer in step with the address. */
export function followDecision(id) {
  if ((shown?.id ?? null) === id) return;
  const last = shown;
  shown = null;
  last?.drawer.dismiss();
  if (!id) return;
  const mine = { id };
  mine.drawer = decisionDrawer(id, () => {
    if (shown !== mine) return;
    shown = null;
    setQuery({ decision: null });
  });
  shown = mine;
}
