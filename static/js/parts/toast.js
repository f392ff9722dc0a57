// A word after an act, with Undo where there is one.

import { announce, h } from '../main.js';

const SECONDS = 8;
let stack;

export function toast(text, { undo, link } = {}) {
  // A popover lies above open dialogs.
  stack ??= document.body.appendChild(h('div', { class: 'toasts', popover: 'manual' }));
  stack.showPopover?.();
  const note = h(
    'div',
    { class: 'toast' },
    h('span', { class: 'grow' }, text),
    link,
    undo &&
      h(
        'button',
        {
          type: 'button',
          onclick: () => {
            note.remove();
            undo();
          },
        },
        'Undo',
      ),
    h('button', { type: 'button', 'aria-label': 'Dismiss', onclick: () => note.remove() }, '×'),
  );
  stack.append(note);
  announce(undo ? `${text} It can be undone at the end of the page.` : text);
  let timer;
  const wait = () => {
    timer = setTimeout(() => note.remove(), SECONDS * 1000);
  };
  for (const hold of ['pointerenter', 'focusin']) note.addEventListener(hold, () => clearTimeout(timer));
  for (const release of ['pointerleave', 'focusout']) note.addEventListener(release, wait);
  wait();
}
