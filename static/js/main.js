// Elements without innerHTML, the small pieces that every page uses, and boot.
// They share a file because sign-in may cost six requests and no more.

import { get } from './api.js';

const SVG = 'http://www.w3.org/2000/svg';

function assign(element, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
  else if (key === 'value' || key === 'checked') element[key] = value;
  else element.setAttribute(key, value === true ? '' : value);
}

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) if (key !== 'value') assign(element, key, value);
  element.append(
    ...children
      .flat(Infinity)
      .filter((child) => child !== null && child !== undefined && child !== false && child !== ''),
  );
  // A select takes its value only once its options are there.
  assign(element, 'value', props.value);
  return element;
}

export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(props)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const ICONS = {
  gate: 'M4 21V10a8 8 0 0 1 16 0v11M9.3 3v18M14.7 3v18M4 10h16M4 15.5h16',
  gauge: 'M4 18a9 9 0 1 1 16 0M12 14l4-5',
  layers: 'M12 3 3 8l9 5 9-5zM3 13l9 5 9-5',
  users: 'M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM2 21a7 7 0 0 1 14 0M16 3.5a4 4 0 0 1 0 7.5M22 21a7 7 0 0 0-4-6',
  key: 'M14 10a5 5 0 1 0-3.5 4.8L13 17h3v3h4v-4z',
  monitor: 'M3 4h18v12H3zM8 21h8M12 16v5',
  list: 'M8 6h13M8 12h13M8 18h13M3.5 6h.01M3.5 12h.01M3.5 18h.01',
  power: 'M12 3v9M6.5 6.5a8 8 0 1 0 11 0',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM20 20l-4-4',
  menu: 'M3 6h18M3 12h18M3 18h18',
  exit: 'M10 4H5v16h5M15 8l4 4-4 4M19 12H9',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6 6 18',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'M5 13l4 4L19 7',
  alert: 'M12 4 2.5 20h19zM12 10v4M12 17h.01',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 11v5M12 8h.01',
  up: 'M7 14l5-5 5 5',
  down: 'M7 10l5 5 5-5',
  right: 'M10 7l5 5-5 5',
  upload: 'M12 16V4M7 9l5-5 5 5M4 20h16',
  download: 'M12 4v12M7 11l5 5 5-5M4 20h16',
  columns: 'M4 4h16v16H4zM10 4v16M15 4v16',
  shield: 'M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6z',
  terminal: 'M4 6l6 6-6 6M12 19h8',
  lock: 'M6 11h12v10H6zM8.5 11V7.5a3.5 3.5 0 0 1 7 0V11',
  bolt: 'M13 3 5 13.5h6L10 21l9-11h-6.5z',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7v5l3.5 2',
  link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
};

export function icon(name, size = 16) {
  return svg(
    'svg',
    {
      viewBox: '0 0 24 24',
      width: size,
      height: size,
      fill: 'none',
      stroke: 'currentColor',
      'stroke-width': 2,
      'stroke-linecap': 'round',
      'stroke-linejoin': 'round',
      'aria-hidden': 'true',
    },
    svg('path', { d: ICONS[name] }),
  );
}

export function announce(text) {
  const region = document.getElementById('announcer');
  region.textContent = '';
  setTimeout(() => {
    region.textContent = text;
  }, 50);
}

/** Focus goes back to where it was, or to the link that took its place, or to the head of the page. */
export function returnFocus(element) {
  const href = element?.getAttribute?.('href');
  const twin = href && document.querySelector(`#main a[href="${CSS.escape(href)}"]`);
  const place = element?.isConnected && element !== document.body ? element : twin || document.querySelector('h1');
  place?.focus({ preventScroll: place !== element });
}

/* Words and figures */

const UNITS = [
  ['year', 31536000],
  ['month', 2592000],
  ['week', 604800],
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export function ago(iso) {
  const seconds = (new Date(iso) - Date.now()) / 1000;
  for (const [unit, length] of UNITS)
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  return Math.abs(seconds) < 10 ? 'just now' : relative.format(Math.round(seconds), 'second');
}

export function exactTime(iso) {
  const date = new Date(iso);
  const utc = `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  if (date.getTimezoneOffset() === 0) return utc;
  return `${date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' })} · ${utc}`;
}

export function time(iso, { full = false } = {}) {
  if (!iso) return h('span', { class: 'faint' }, 'Never');
  if (!full) return h('time', { datetime: iso, title: exactTime(iso) }, ago(iso));
  return h(
    'span',
    {},
    h('time', { datetime: iso }, ago(iso)),
    h('span', { class: 'faint small' }, ` · ${exactTime(iso)}`),
  );
}

export const number = (value) => Number(value ?? 0).toLocaleString('en');
export const count = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

export function bytes(value) {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  let n = value ?? 0;
  let i = 0;
  while (n >= 1000 && i < units.length - 1) {
    n /= 1000;
    i += 1;
  }
  return `${n.toLocaleString('en', { maximumFractionDigits: n < 10 && i ? 1 : 0 })} ${units[i]}`;
}

export const sentence = (slug) => {
  const text = String(slug ?? '')
    .replace(/[_.-]+/g, ' ')
    .trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
};

export const initials = (name) =>
  name
    .split(/[\s@.]+/)
    .filter(Boolean)
    .slice(0, 2)
    .map((part) => part[0].toUpperCase())
    .join('');

/* Pieces */

export const badge = (text, tone = '') => h('span', { class: `badge ${tone}` }, text);

export function button(label, { glyph, tone = '', onclick, type = 'button', disabled, ...rest } = {}) {
  return h('button', { class: `button ${tone}`, type, onclick, disabled, ...rest }, glyph && icon(glyph), label);
}

export function copyable(text, label = 'Copy') {
  const control = h(
    'button',
    {
      type: 'button',
      'aria-label': label,
      title: label,
      onclick: async () => {
        await navigator.clipboard?.writeText(text);
        control.replaceChildren(icon('check', 14));
        announce('Copied');
        setTimeout(() => control.replaceChildren(icon('copy', 14)), 1500);
      },
    },
    icon('copy', 14),
  );
  return h('span', { class: 'copyable' }, h('code', {}, text), control);
}

export function notice(tone, ...children) {
  const glyph = { danger: 'alert', caution: 'alert', good: 'check' }[tone] ?? 'info';
  return h('div', { class: `notice ${tone}` }, icon(glyph), h('div', { class: 'grow' }, children));
}

/** For those who may read decisions: the way to the checks behind a refusal. */
function whyLink({ decisionId }) {
  if (!decisionId || !document.documentElement.hasAttribute('data-explains')) return null;
  const query = new URLSearchParams(location.search);
  query.set('decision', decisionId);
  return h('a', { href: `?${query}` }, 'Why was this refused?');
}

/** What went wrong, in the server's words, with the id to quote and a way to try again. */
export function problemNotice(problem, retry) {
  const closed = problem.code === 'kill_switch_active';
  const box = notice(
    closed ? 'caution' : 'danger',
    h('p', { class: 'strong' }, closed ? 'The kill switch is on' : problem.message),
    closed && h('p', {}, problem.message),
    problem.retryAfter && h('p', {}, `Try again in ${count(problem.retryAfter, 'second')}.`),
    problem.requestId &&
      h(
        'div',
        { class: 'row small' },
        'Request',
        copyable(problem.requestId, 'Copy the request id'),
        whyLink(problem),
      ),
    retry && h('div', { class: 'row' }, button('Retry', { onclick: retry, tone: 'small' })),
  );
  box.setAttribute('role', 'alert');
  return box;
}

export function emptyState({ icon: glyph = 'list', title, text, action }) {
  return h(
    'div',
    { class: 'empty' },
    h('span', { class: 'disc' }, icon(glyph, 20)),
    h('h2', {}, title),
    text && h('p', {}, text),
    action && h('div', { class: 'row' }, action),
  );
}

export function facts(pairs) {
  return h(
    'dl',
    { class: 'facts' },
    pairs
      .filter(([, value]) => value !== null && value !== undefined && value !== false && value !== '')
      .map(([term, value]) => [h('dt', {}, term), h('dd', {}, value)]),
  );
}

let serial = 0;

/** A control with its label, hint and a place for its error. */
export function labelled(label, control, { hint, optional, pointer } = {}) {
  serial += 1;
  control.id ||= `field-${serial}`;
  const error = h('p', { class: 'error', id: `${control.id}-error`, hidden: true });
  const hintNode = hint && h('p', { class: 'hint', id: `${control.id}-hint` }, hint);
  control.setAttribute(
    'aria-describedby',
    [hint && `${control.id}-hint`, `${control.id}-error`].filter(Boolean).join(' '),
  );
  return h(
    'div',
    { class: 'field', 'data-pointer': pointer ?? `/${control.name}` },
    h('label', { for: control.id }, label, optional && h('span', { class: 'optional' }, ' optional')),
    control,
    hintNode,
    error,
  );
}

/** Shows each field error at its field; answers those that found none. */
export function showFieldErrors(form, errors = []) {
  for (const field of form.querySelectorAll('[data-pointer]')) {
    const found = errors.filter(
      ({ pointer }) => pointer === field.dataset.pointer || pointer?.startsWith(`${field.dataset.pointer}/`),
    );
    const error = field.querySelector('.error');
    error.hidden = !found.length;
    error.textContent = found.map(({ message }) => message).join(' ');
    const control = field.querySelector('input, select, textarea');
    if (found.length) control?.setAttribute('aria-invalid', 'true');
    else control?.removeAttribute('aria-invalid');
  }
  form.querySelector('[aria-invalid="true"]')?.focus();
  const shown = [...form.querySelectorAll('[data-pointer]')].map((field) => field.dataset.pointer);
  return errors.filter(({ pointer }) => !shown.some((known) => pointer === known || pointer?.startsWith(`${known}/`)));
}

/* Boot */

const GATES = ['sign-in', 'setup', 'set-password', 'forgot-password'];

function applyTheme() {
  const theme = localStorage.getItem('theme');
  if (theme) document.documentElement.dataset.theme = theme;
}

async function openConsole(app, page) {
  // Asked for together, so that no chain of imports waits.
  const [me, session, router] = await Promise.all([
    get('/auth/me'),
    import('./session.js'),
    import('./router.js'),
    import(page === 'overview' ? './parts/chart.js' : './parts/table.js'),
    import(`./pages/${page}.js`).catch(() => null),
  ]);
  if (me.mfa_required) return (await import('./parts/second-factor.js')).enrolGate(app, me);
  session.begin(me);
  return router.openFrame(app);
}

/** What no form or list has shown in its own place. */
async function showLeftover({ reason }) {
  if (reason?.errors === undefined || reason.status === 401) return;
  const { toast } = await import('./parts/toast.js');
  toast(reason.requestId ? `${reason.message} Request ${reason.requestId}` : reason.message, { link: whyLink(reason) });
}

/** What keeps the whole console from opening. */
function showObstacle(app, problem) {
  const title = problem.code === 'kill_switch_active' ? 'Closed for now' : 'The console could not start';
  document.title = `${title} · Portcullis`;
  app.replaceChildren(
    h(
      'main',
      { class: 'gate' },
      h('div', { class: 'brand' }, icon('gate', 26), 'Portcullis'),
      h('div', { class: 'gate-card stack' }, h('h1', {}, title), problemNotice(problem, () => location.reload())),
    ),
  );
}

async function boot() {
  applyTheme();
  window.addEventListener('unhandledrejection', showLeftover);
  // A copy kept by the browser for Back would show what log-out closed.
  window.addEventListener('pageshow', (event) => event.persisted && location.reload());
  const app = document.getElementById('app');
  const page = location.pathname.split('/')[2] || 'overview';
  if (GATES.includes(page)) return (await import(`./pages/${page}.js`)).default(app);
  try {
    return await openConsole(app, page);
  } catch (problem) {
    if (problem.status === 401)
      return location.replace(`/console/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`);
    return showObstacle(app, problem);
  }
}

boot();
