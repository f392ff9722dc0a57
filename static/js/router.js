// The address bar is the state: pages, filters, sorting and open drawers all live there. Around the page stands the frame.

import { signals } from './api.js';
import { emptyState, h, icon, initials, problemNotice } from './main.js';
import { can, leave, refreshKillSwitch, session, signOut } from './session.js';

const ROOT = '/console/';
let outlet;
let current = null;

export function here() {
  const [page, ...rest] = location.pathname.slice(ROOT.length).split('/').filter(Boolean);
  return {
    page: page ?? 'overview',
    segments: rest.map(decodeURIComponent),
    query: new URLSearchParams(location.search),
  };
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
  if (target.href !== location.href)
    history[replace ? 'replaceState' : 'pushState']({ inside: !replace || history.state?.inside }, '', target);
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
  return h(
    'header',
    { class: 'page-head' },
    h(
      'div',
      { class: 'titles' },
      back && h('a', { class: 'crumb', href: back.href }, '‹ ', back.label),
      h('h1', { tabindex: '-1' }, title),
      lead && h('p', { class: 'lead' }, lead),
    ),
    h('div', { class: 'actions' }, actions),
  );
}

/** One click from a record to who did what with it. */
export function auditLink(target) {
  return can('audit', 'read') && h('a', { class: 'button', href: to('audit', target) }, icon('list'), 'Audit');
}

/** The drawer that explains a refusal lies over any page; it is loaded when it is first asked for. */
let explained = null;
async function followDecision({ query }) {
  const id = can('decisions', 'read') ? query.get('decision') : null;
  if (id === explained) return;
  explained = id;
  const drawer = await import('./drawers/decision.js');
  drawer.followDecision(explained);
}

const keyOf = ({ page, segments }) => [page, ...segments].join('/');

async function render() {
  const place = here();
  followDecision(place);
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
    outlet.replaceChildren(
      pageHead({ title: 'Page not available' }),
      problem.status
        ? problemNotice(problem)
        : emptyState({
            icon: 'search',
            title: 'There is no such page',
            text: 'The address may be mistyped, or the page could not be loaded.',
            action: h('a', { class: 'button', href: ROOT }, 'Go to the overview'),
          }),
    );
  }
  window.scrollTo(0, 0);
  outlet.querySelector('h1')?.focus({ preventScroll: true });
  return undefined;
}

function followLink(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  const link = event.target.closest('a[href]');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (!link.pathname.startsWith(ROOT) || link.getAttribute('href').startsWith('#')) return;
  event.preventDefault();
  go(link.href);
}

export function refresh() {
  current?.refresh?.();
}

function start(element) {
  outlet = element;
  document.addEventListener('click', followLink);
  window.addEventListener('popstate', render);
  window.addEventListener('focus', refresh);
  return render();
}

/* The frame around every page */

/** Every page: its path, name and icon, and what one must be allowed to read to see it. */
const NAVIGATION = [
  { pages: [['overview', 'Overview', 'gauge', 'overview']] },
  {
    title: 'Data',
    pages: [
      ['entity-types', 'Entity types', 'layers', 'entity_types'],
      ['files', 'Files', 'upload', 'files'],
    ],
  },
  {
    title: 'People',
    pages: [
      ['users', 'Users', 'users', 'users'],
      ['roles', 'Roles', 'key', 'roles'],
      ['access-matrix', 'Access matrix', 'check', 'roles'],
      ['api-keys', 'API keys', 'terminal'],
      ['sessions', 'My sessions', 'monitor'],
    ],
  },
  { title: 'Integrations', pages: [['webhooks', 'Webhooks', 'bolt', 'webhooks']] },
  {
    title: 'Operation',
    pages: [
      ['jobs', 'Jobs', 'clock', 'jobs'],
      ['backups', 'Backups', 'download', 'backups'],
    ],
  },
  {
    title: 'Safety',
    pages: [
      ['audit', 'Audit log', 'list', 'audit'],
      ['elevations', 'Elevations', 'shield', 'elevations'],
      ['kill-switch', 'Kill switch', 'power', 'kill_switch'],
      ['doctor', 'Doctor', 'check', 'overview'],
      ['observations', 'Observations', 'info', 'observations'],
      ['secrets', 'Secrets', 'lock', 'secrets'],
      ['logs', 'Logs', 'terminal', 'overview'],
      ['settings', 'Settings', 'columns', 'settings'],
    ],
  },
];

const permitted = ({ title, pages }) => ({
  title,
  pages: pages.filter(([, , , resource]) => !resource || can(resource, 'read')),
});
const pageHref = (page) => to(page === 'overview' ? '' : page);

/** The pages that this user may see. */
export function openPages() {
  const pages = NAVIGATION.flatMap((group) => permitted(group).pages);
  return [...pages, ['account', 'Your account', 'shield']].map(([page, label, glyph]) => ({
    href: pageHref(page),
    label,
    glyph,
  }));
}

function navigation() {
  const link = ([page, label, glyph]) =>
    h('a', { class: 'nav-link', href: pageHref(page), 'data-page': page }, icon(glyph), label);
  const group = ({ title, pages }) =>
    h(
      'div',
      { class: 'nav-group' },
      title && h('p', { class: 'nav-title' }, title),
      h(
        'ul',
        {},
        pages.map((page) => h('li', {}, link(page))),
      ),
    );
  return NAVIGATION.map(permitted)
    .filter(({ pages }) => pages.length)
    .map(group);
}

function sidebar(user) {
  return h(
    'aside',
    { class: 'sidebar', id: 'sidebar', 'aria-label': 'Console' },
    h('a', { class: 'brand', href: '/console/' }, icon('gate', 22), 'Portcullis'),
    h('nav', { 'aria-label': 'Pages' }, navigation()),
    h(
      'div',
      { class: 'sidebar-foot' },
      h(
        'a',
        { class: 'whoami', href: '/console/account', 'data-page': 'account' },
        h('span', { class: 'avatar', 'aria-hidden': 'true' }, initials(user.name || user.email)),
        h(
          'span',
          { class: 'whoami-text' },
          h('span', { class: 'strong' }, user.name || user.email),
          h('span', { class: 'faint tiny' }, user.name ? user.email : 'Profile and password'),
        ),
      ),
    ),
  );
}

const openPalette = () => import('./parts/palette.js').then(({ palette }) => palette());

function topbar(frame) {
  const menu = h(
    'button',
    {
      class: 'button quiet icon-only menu-button',
      type: 'button',
      'aria-label': 'Pages',
      'aria-controls': 'sidebar',
      'aria-expanded': 'false',
      onclick: () => showNavigation(true),
    },
    icon('menu'),
  );
  function showNavigation(open) {
    frame.classList.toggle('nav-open', open);
    menu.setAttribute('aria-expanded', String(open));
    if (open) frame.querySelector('.brand').focus();
    else if (frame.querySelector('.sidebar').contains(document.activeElement)) menu.focus();
  }
  document.addEventListener('page', () => showNavigation(false));
  frame.addEventListener(
    'keydown',
    (event) => event.key === 'Escape' && frame.classList.contains('nav-open') && showNavigation(false),
  );
  frame.append(h('div', { class: 'scrim', onclick: () => showNavigation(false) }));
  return h(
    'header',
    { class: 'topbar' },
    menu,
    h(
      'button',
      {
        class: 'palette-button',
        type: 'button',
        'aria-keyshortcuts': 'Control+K /',
        onclick: openPalette,
      },
      icon('search'),
      h('span', {}, 'Search'),
      h('kbd', { 'aria-hidden': 'true' }, 'Ctrl K'),
    ),
    h('div', { class: 'spacer' }),
    can('kill_switch', 'read') &&
      h(
        'a',
        { class: 'button danger-quiet', href: '/console/kill-switch', 'aria-label': 'Kill switch' },
        icon('power'),
        h('span', { class: 'hide-phone' }, 'Kill switch'),
      ),
    h(
      'button',
      {
        class: 'button quiet',
        type: 'button',
        'aria-label': 'Sign out',
        onclick: () => signOut().catch(() => leave()),
      },
      icon('exit'),
      h('span', { class: 'hide-phone' }, 'Sign out'),
    ),
  );
}

const CLOSED = {
  all: 'All traffic is stopped',
  some: 'Traffic is stopped',
  writes: 'Changes are stopped',
  signups: 'Sign-ups are stopped',
  api_keys: 'API keys are stopped',
};

function showBanner(banner, state) {
  banner.hidden = !state?.active;
  if (!state?.active) return;
  const what = CLOSED[state.scope] ?? `Access to ${String(state.scope).replace('type:', '')} is stopped`;
  const words = h('span', {}, h('strong', {}, `${what}.`), state.reason ? ` ${state.reason}` : '');
  const review = can('kill_switch', 'read') ? h('a', { href: '/console/kill-switch' }, 'Review') : '';
  banner.replaceChildren(icon('power'), words, review);
}

/** Whoever has nothing to do with elevations loads nothing for them. */
async function followElevations(banner) {
  const { elevation, elevations } = session.user;
  if (!elevation && !elevations?.active && !elevations?.unreviewed && banner.hidden) return;
  (await import('./parts/break-glass.js')).showElevations(banner);
}

/** Loud as long as something is let through that would be refused. */
function showObserving(banner) {
  const rules = session.user.observing ?? [];
  banner.hidden = !rules.length;
  if (!rules.length) return;
  const many = rules.length === 1 ? 'One rule is' : `${rules.length} rules are`;
  const words = h('span', {}, h('strong', {}, 'Observe mode: '), `${many} counted and not enforced.`);
  banner.replaceChildren(icon('info'), words, h('a', { href: '/console/observations' }, 'See what they let through'));
}

function markPage({ detail }) {
  const page = detail.page === 'entities' ? 'entity-types' : detail.page;
  for (const link of document.querySelectorAll('[data-page]')) {
    if (link.dataset.page === page) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

function paletteKey(event) {
  const typing = event.target.closest('input, textarea, select');
  const asked = (event.key === 'k' && (event.ctrlKey || event.metaKey)) || (event.key === '/' && !typing);
  if (!asked || document.querySelector('dialog[open]')) return;
  event.preventDefault();
  openPalette();
}

export function openFrame(app) {
  const banner = h('div', { class: 'banner', role: 'status', hidden: true });
  const glass = h('section', { class: 'banner caution', 'aria-label': 'Break-glass', hidden: true });
  const observing = h('section', { class: 'banner caution', 'aria-label': 'Observe mode', hidden: true });
  const main = h('main', { class: 'main', id: 'main', tabindex: '-1' });
  const frame = h('div', { class: 'shell' });
  frame.append(
    h('a', { class: 'skip', href: '#main' }, 'Skip to the content'),
    sidebar(session.user),
    topbar(frame),
    h('div', { class: 'banners' }, banner, glass, observing),
    main,
  );
  app.replaceChildren(frame);
  signals.addEventListener('signed-out', () => leave(location.pathname + location.search));
  signals.addEventListener('kill-switch', () => refreshKillSwitch(true));
  signals.addEventListener('kill-switch-known', () => showBanner(banner, session.killSwitch));
  document.addEventListener('page', markPage);
  document.addEventListener('keydown', paletteKey);
  window.addEventListener('focus', () => refreshKillSwitch());
  document.addEventListener('elevations-known', () => followElevations(glass));
  document.addEventListener('observing-known', () => showObserving(observing));
  followElevations(glass);
  showObserving(observing);
  refreshKillSwitch();
  start(main);
}
