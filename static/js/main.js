// Boot and the frame around every page. The gate pages (sign-in, setup) load nothing beyond this.

import { get, signals } from './api.js';
import { h, icon, initials } from './parts/dom.js';

const GATES = ['sign-in', 'setup'];
const NAVIGATION = [
  { links: [['overview', 'Overview', 'gauge']] },
  { title: 'Data', links: [['entity-types', 'Entity types', 'layers']] },
  { title: 'People', links: [['users', 'Users', 'users'], ['roles', 'Roles', 'key'], ['sessions', 'My sessions', 'monitor']] },
  { title: 'Safety', links: [['audit', 'Audit log', 'list'], ['kill-switch', 'Kill switch', 'power']] },
];
const app = document.getElementById('app');

function applyTheme() {
  const theme = localStorage.getItem('theme');
  if (theme) document.documentElement.dataset.theme = theme;
}

function navigation() {
  return NAVIGATION.map(({ title, links }) => h('div', { class: 'nav-group' },
    title && h('p', { class: 'nav-title' }, title),
    h('ul', {}, links.map(([page, label, glyph]) => h('li', {},
      h('a', { class: 'nav-link', href: `/console/${page === 'overview' ? '' : page}`, 'data-page': page }, icon(glyph), label))))));
}

function sidebar(user) {
  return h('aside', { class: 'sidebar', id: 'sidebar', 'aria-label': 'Console' },
    h('a', { class: 'brand', href: '/console/' }, icon('gate', 22), 'Portcullis'),
    h('nav', { 'aria-label': 'Pages' }, navigation()),
    h('div', { class: 'sidebar-foot' },
      h('a', { class: 'whoami', href: '/console/account', 'data-page': 'account' },
        h('span', { class: 'avatar', 'aria-hidden': 'true' }, initials(user.name || user.email)),
        h('span', { class: 'whoami-text' },
          h('span', { class: 'strong' }, user.name || user.email),
          h('span', { class: 'faint tiny' }, user.name ? user.email : 'Profile and password')))));
}

const openPalette = () => import('./parts/palette.js').then(({ palette }) => palette());

function topbar(frame, signOut) {
  const menu = h('button', { class: 'button quiet icon-only menu-button', type: 'button', 'aria-label': 'Pages', 'aria-controls': 'sidebar', 'aria-expanded': 'false', onclick: () => showNavigation(true) }, icon('menu'));
  function showNavigation(open) {
    frame.classList.toggle('nav-open', open);
    menu.setAttribute('aria-expanded', String(open));
    if (open) frame.querySelector('.brand').focus();
    else if (frame.querySelector('.sidebar').contains(document.activeElement)) menu.focus();
  }
  document.addEventListener('page', () => showNavigation(false));
  frame.addEventListener('keydown', (event) => event.key === 'Escape' && frame.classList.contains('nav-open') && showNavigation(false));
  frame.append(h('div', { class: 'scrim', onclick: () => showNavigation(false) }));
  return h('header', { class: 'topbar' },
    menu,
    h('button', { class: 'palette-button', type: 'button', 'aria-keyshortcuts': 'Control+K /', onclick: openPalette },
      icon('search'), h('span', {}, 'Search'), h('kbd', {}, 'Ctrl K')),
    h('div', { class: 'spacer' }),
    h('a', { class: 'button danger-quiet', href: '/console/kill-switch', 'aria-label': 'Kill switch' }, icon('power'), h('span', { class: 'hide-phone' }, 'Kill switch')),
    h('button', { class: 'button quiet', type: 'button', 'aria-label': 'Sign out', onclick: signOut }, icon('exit'), h('span', { class: 'hide-phone' }, 'Sign out')));
}

const CLOSED = { all: 'All traffic is stopped', writes: 'Changes are stopped', signups: 'Sign-ups are stopped', api_keys: 'API keys are stopped' };

function showBanner(banner, state) {
  banner.hidden = !state?.active;
  if (!state?.active) return banner.replaceChildren();
  const what = CLOSED[state.scope] ?? `${state.scope.replace('type:', 'Access to ')} is stopped`;
  return banner.replaceChildren(icon('power'), h('span', {}, h('strong', {}, `${what}.`), state.reason ? ` ${state.reason}` : ''), h('a', { href: '/console/kill-switch' }, 'Review'));
}

function markPage({ detail }) {
  const page = detail.page === 'entities' ? 'entity-types' : detail.page;
  for (const link of app.querySelectorAll('[data-page]')) {
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

async function openConsole(page) {
  // Asked for together, so that no chain of imports waits.
  const [me, sessions, router] = await Promise.all([
    get('/auth/me'), import('./session.js'), import('./router.js'), import('./parts/table.js'), import(`./pages/${page}.js`).catch(() => null),
  ]);
  sessions.begin(me);
  const banner = h('div', { class: 'banner', role: 'status', hidden: true });
  const main = h('main', { class: 'main', id: 'main', tabindex: '-1' });
  const frame = h('div', { class: 'shell' });
  const signOut = () => sessions.signOut().catch(() => sessions.leave());
  frame.append(h('a', { class: 'skip', href: '#main' }, 'Skip to the content'), sidebar(me), topbar(frame, signOut), banner, main);
  app.replaceChildren(frame);

  signals.addEventListener('signed-out', () => sessions.leave(location.pathname + location.search));
  signals.addEventListener('kill-switch', sessions.refreshKillSwitch);
  signals.addEventListener('kill-switch-known', () => showBanner(banner, sessions.session.killSwitch));
  document.addEventListener('page', markPage);
  document.addEventListener('keydown', paletteKey);
  window.addEventListener('focus', sessions.refreshKillSwitch);
  sessions.refreshKillSwitch();
  router.startRouter(main);
}

/** What no form or list has shown in its own place. */
async function showLeftover({ reason }) {
  if (reason?.errors === undefined || reason.status === 401) return;
  const { toast } = await import('./parts/toast.js');
  toast(reason.requestId ? `${reason.message} Request ${reason.requestId}` : reason.message);
}

async function boot() {
  applyTheme();
  window.addEventListener('unhandledrejection', showLeftover);
  // A copy kept by the browser for Back would show what log-out closed.
  window.addEventListener('pageshow', (event) => event.persisted && location.reload());
  const page = location.pathname.split('/')[2] || 'overview';
  if (GATES.includes(page)) return (await import(`./pages/${page}.js`)).default(app);
  try {
    return await openConsole(page);
  } catch (problem) {
    if (problem.status === 401) return location.replace(`/console/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`);
    const { problemNotice } = await import('./parts/dom.js');
    return app.replaceChildren(h('main', { class: 'gate' }, h('div', { class: 'gate-card stack' },
      h('h1', {}, 'The console could not start'), problemNotice(problem, () => location.reload()))));
  }
}

boot();
