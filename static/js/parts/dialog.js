// Dialogs and drawers on the native <dialog>: focus held inside and given back, Esc backs out.

import { button, h, icon, problemNotice, returnFocus } from '../main.js';

let serial = 0;

function sheet(className, { title, subtitle, body, foot, onclose }) {
  serial += 1;
  const labelId = `sheet-${serial}`;
  const bodyNode = h('div', { class: 'sheet-body' }, body);
  const footNode = h('footer', { class: 'sheet-foot', hidden: !foot }, foot);
  const titleNode = h('h2', { id: labelId, tabindex: '-1' }, title);
  const dialog = h(
    'dialog',
    { class: className, 'aria-labelledby': labelId },
    h(
      'header',
      { class: 'sheet-head' },
      h('div', { class: 'grow' }, titleNode, subtitle && h('div', { class: 'muted small break' }, subtitle)),
      h(
        'button',
        { class: 'button quiet icon-only', type: 'button', 'aria-label': 'Close', onclick: () => dialog.close() },
        icon('close'),
      ),
    ),
    bodyNode,
    footNode,
  );
  const opener = document.activeElement;
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => {
    dialog.remove();
    returnFocus(opener);
    onclose?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return {
    dialog,
    body: bodyNode,
    close: () => dialog.close(),
    setFoot: (...nodes) => {
      footNode.hidden = !nodes.length;
      footNode.replaceChildren(...nodes);
    },
    setTitle: (text) => {
      titleNode.textContent = text;
    },
  };
}

export const openDialog = (options) => sheet(`dialog ${options.wide ? 'wide' : ''}`, options);

/** A drawer keeps its first focus on its title, so that its content is read from the top. */
export function openDrawer(options) {
  const drawer = sheet(`drawer ${options.wide ? 'wide' : ''}`, options);
  drawer.dialog.querySelector('h2').focus();
  return drawer;
}

/** The drawer of one record: `load(drawer)` fills it, a failure offers Retry, `closed` hears when a person closes it. */
export function recordDrawer({ title, load, closed, wide }) {
  let dismissed = false;
  const drawer = openDrawer({
    title,
    wide,
    body: h('p', { class: 'muted late' }, 'Loading…'),
    onclose: () => dismissed || closed(),
  });
  async function fill() {
    try {
      await load(drawer);
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      drawer.body.replaceChildren(problemNotice(problem, fill));
    }
  }
  drawer.reload = fill;
  fill();
  return {
    dismiss: () => {
      dismissed = true;
      drawer.close();
    },
  };
}

/** Runs `work` while the button waits; a failure is shown in `place`. Answers whether it went well. */
export async function attempt(control, place, work) {
  control.disabled = true;
  place.replaceChildren();
  try {
    await work();
    return true;
  } catch (problem) {
    if (problem.errors === undefined) throw problem;
    place.replaceChildren(problemNotice(problem));
    return false;
  } finally {
    control.disabled = false;
  }
}

/** Asks before an act: names the object, the consequence and whether it can be undone. With a `guard` the act waits
 * until its input holds what is expected. */
export function confirm({ title, text, body, verb, danger = true, guard, work }) {
  return new Promise((resolve) => {
    let done = false;
    const failure = h('div', {});
    const cancel = button('Cancel', { onclick: () => box.close() });
    const act = button(verb, {
      tone: danger ? 'danger' : 'primary',
      onclick: async () => {
        done = await attempt(act, failure, work);
        if (done) box.close();
      },
    });
    const box = openDialog({
      title,
      body: h('div', { class: 'stack' }, h('p', {}, text), body, failure),
      foot: [cancel, act],
      onclose: () => resolve(done),
    });
    if (guard) {
      const settle = () => {
        act.disabled = guard.input.value.trim() !== guard.expected;
      };
      guard.input.addEventListener('input', settle);
      settle();
    }
    cancel.focus();
  });
}

/** A link or secret that is shown this once. */
export function showOnce({ title, text, secret, node }) {
  const box = openDialog({
    title,
    body: h(
      'div',
      { class: 'stack' },
      h('p', {}, text),
      node ?? h('div', { class: 'notice break' }, h('code', {}, secret)),
    ),
    foot: [],
  });
  const copy = button('Copy', {
    glyph: 'copy',
    onclick: async () => {
      await navigator.clipboard?.writeText(secret);
      copy.replaceChildren(icon('check'), 'Copied');
    },
  });
  box.setFoot(copy, button('Done', { tone: 'primary', onclick: box.close }));
  copy.focus();
}
