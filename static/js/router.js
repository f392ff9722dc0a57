// The address bar is the state: pages, filters, sorting and open drawers all live there.

import { emptyState, h, problemNotice } from './parts/dom.js';

const ROOT = '/console/';
let outlet;
let current = null;

export function here() {
  const [page, ...rest] = location.pathname.slice(ROOT.length).split('/').filter(Boolean);
  return { page: page ?? 'overview', segments: rest.map(decodeURIComponent), query: new URLSearchParams(location.search) };
}

/** An address inside the console: `to('users', { open: id })`. */
export function to(page, query = {}) {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') params.set(key, value);
  }
  const text = params.toString();
  return ROOT + page + (text ? `?${text}` : '');
}

export function go(url, { replace = false } = {}) {
  const target = new URL(url, location.href);
  if (target.href !== location.href) history[replace ? 'replaceState' : 'pushState']({ inside: !replace || history.state?.inside }, '', target);
  return render();
}

/** The present address with some parameters changed; empty ones go. */
export function withQuery(changes) {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === '') query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  return location.pathname + (text ? `?${text}` : '');
}

export const setQuery = (changes, options) => go(withQuery(changes), options);

export function setTitle(title) {
  document.title = `${title} · Portcullis`;
}

/** The head of a page: title, an optional way back, a lead and actions. */
export function pageHead({ title, lead, back, actions = [] }) {
  setTitle(title);
  return h('header', { class: 'page-head' },
    h('div', { class: 'titles' },
      back && h('a', { class: 'crumb', href: back.href }, '‹ ', back.label),
      h('h1', { tabindex: '-1' }, title),
      lead && h('p', { class: 'lead' }, lead)),
    h('div', { class: 'actions' }, actions));
}

const keyOf = ({ page, segments }) => [page, ...segments].join('/');

async function render() {
  const place = here();
  const key = keyOf(place);
  if (current?.key === key) return current.update?.(place);
  current?.leave?.();
  current = { key };
  document.dispatchEvent(new CustomEvent('page', { detail: place }));
  try {
    const { default: page } = await import(`./pages/${place.page}.js`);
    if (current.key !== key) return undefined;
    const nodes = h('div', { class: 'page' });
    Object.assign(current, page({ root: nodes, ...place }));
    outlet.replaceChildren(nodes);
  } catch (problem) {
    outlet.replaceChildren(pageHead({ title: 'Page not available' }),
      problem.status ? problemNotice(problem) : emptyState({ icon: 'search', title: 'There is no such page', text: 'The address may be mistyped, or the page could not be loaded.', action: h('a', { class: 'button', href: ROOT }, 'Go to the overview') }));
  }
  window.scrollTo(0, 0);
  outlet.querySelector('h1')?.focus({ preventScroll: true });
  return undefined;
}

function followLink(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest('a[href]');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (!link.pathname.startsWith(ROOT) || link.getAttribute('href').startsWith('#')) return;
  event.preventDefault();
  go(link.href);
}

export function refresh() {
  current?.refresh?.();
}

export function startRouter(element) {
  outlet = element;
  document.addEventListener('click', followLink);
  window.addEventListener('popstate', render);
  window.addEventListener('focus', refresh);
  return render();
}
