// One stream of changes for the whole console: reopened when it breaks, closed while nobody looks.

import { address } from '../api.js';
import { button } from '../main.js';
import { here } from '../router.js';

/** A tab that is hidden for longer listens no more. */
const PAUSE_AFTER = 30000;
const LONGEST_WAIT = 60000;

const followers = new Set();
let source = null;
let asked = null;
let failures = 0;
let retry;
let pause;
let paused = false;

const tell = (message) => {
  for (const follower of [...followers]) {
    if (!message || !follower.types || follower.types.includes(message.type)) follower.heard(message);
  }
};

/** Without types everything that the user may read, but for the audit log. */
function wanted() {
  if (!followers.size || paused) return null;
  const all = [...followers].map(({ types }) => types);
  return all.includes(null) ? '' : [...new Set(all.flat())].sort().join(',');
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

function connect() {
  close();
  source = new EventSource(address('/events', { types: asked }));
  source.onopen = () => {
    if (failures) tell(null);
    failures = 0;
  };
  source.onmessage = ({ data }) => tell(JSON.parse(data));
  source.addEventListener('reset', () => tell(null));
  source.onerror = () => {
    // A stream that only ended is taken up by the browser itself; a refusal is tried again later.
    if (source?.readyState !== EventSource.CLOSED) return;
    failures += 1;
    retry = setTimeout(connect, Math.min(LONGEST_WAIT, 2000 * 2 ** failures));
  };
}

function adjust() {
  const types = wanted();
  if (types === asked) return;
  asked = types;
  failures = 0;
  if (types === null) close();
  else connect();
}

document.addEventListener('visibilitychange', () => {
  clearTimeout(pause);
  if (document.visibilityState === 'hidden') {
    pause = setTimeout(() => {
      paused = true;
      adjust();
    }, PAUSE_AFTER);
  } else if (paused) {
    paused = false;
    adjust();
    tell(null);
  }
});

/** `heard({ type, action, id, version })` for each change, `heard(null)` when some were missed. Answers how to stop. */
export function follow(types, heard) {
  const follower = { types, heard };
  followers.add(follower);
  // After the page that takes the place of another has said what it follows.
  setTimeout(adjust);
  return () => {
    followers.delete(follower);
    setTimeout(adjust);
  };
}

/** What changed since a list was read, as a button that reads it again: rows never move by themselves. */
export function newsOf({ types, node, rows, reload }) {
  const pending = new Map();
  let missed = false;
  let timer;

  const isShown = ({ type, id, action, version }) => {
    const row = rows().find((item) => item.id === id || String(item.seq) === id);
    return row && (version ? row.version >= version : type === 'audit' || action.endsWith('.created'));
  };

  function show() {
    for (const [key, message] of pending) if (isShown(message)) pending.delete(key);
    if (!pending.size && !missed) return node.replaceChildren();
    const narrowed = [...here().query.keys()].some((name) => !['open', 'tab', 'sort'].includes(name));
    const made = [...pending.values()].every(({ action, type }) => type === 'audit' || action.endsWith('.created'));
    const words = missed || narrowed ? 'Changed since' : `${pending.size} ${made ? 'new' : 'changed'}`;
    const title = 'Show the list as it is now';
    return node.replaceChildren(
      button(words, { glyph: 'down', tone: 'small', title, 'aria-label': `${words}. ${title}`, onclick: reload }),
    );
  }

  const leave = follow(types, (message) => {
    if (message) pending.set(`${message.type} ${message.id}`, { ...message, at: Date.now() });
    else missed = true;
    clearTimeout(timer);
    // One's own change is in the list that is read after it.
    timer = setTimeout(show, 700);
  });

  return {
    /** The rows as they were asked for at `begun` are here. */
    loaded(begun) {
      for (const [key, { at }] of pending) if (at < begun) pending.delete(key);
      missed = false;
      show();
    },
    leave() {
      clearTimeout(timer);
      leave();
    },
  };
}
