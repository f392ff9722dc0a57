import { get } from '../api.js';
import { chart } from '../parts/chart.js';
import { ago, badge, bytes, count, emptyState, h, icon, notice, number, problemNotice, sentence } from '../main.js';
import { openPages, pageHead, to } from '../router.js';
import { can } from '../session.js';

function tile({ label, figure, note, href }) {
  return h(
    href ? 'a' : 'div',
    { class: 'card tile', href },
    h('span', { class: 'muted small' }, label),
    h('span', { class: 'figure' }, figure),
    h('span', { class: 'note' }, note),
  );
}

function span(seconds) {
  if (seconds < 3600) return count(Math.max(1, Math.round(seconds / 60)), 'minute');
  return seconds < 172800 ? count(Math.round(seconds / 3600), 'hour') : count(Math.round(seconds / 86400), 'day');
}

const join = (parts) => parts.filter(Boolean).join(', ') || 'nothing to report';

function inspected({ mode, findings }) {
  const sum = (kind) => findings.reduce((all, finding) => all + finding[kind], 0);
  const found = [
    sum('blocked') > 0 && `${number(sum('blocked'))} blocked`,
    sum('observed') > 0 && `${number(sum('observed'))} observed`,
  ];
  if (mode === 'off' && !found.some(Boolean)) return null;
  return tile({
    label: 'Request inspection',
    figure: { off: 'Off', observe: 'Observes', block: 'Blocks' }[mode],
    href: can('audit', 'read') ? to('audit', { action: 'request.inspected' }) : null,
    note: found.some(Boolean) ? join(found) : 'no findings since the start',
  });
}

function broken({ active, unreviewed }) {
  return tile({
    label: 'Elevations to review',
    figure: number(unreviewed),
    href: can('elevations', 'read') ? to('elevations', { state: unreviewed ? 'unreviewed' : 'active' }) : null,
    note: active ? `${number(active)} running now` : 'none runs now',
  });
}

function backedUp({ newest_good: newest, age_s: age, scheduled, beside_data: beside, recovery_key: key }) {
  return tile({
    label: 'Last good backup',
    figure: newest ? `${span(age)} old` : 'None yet',
    href: can('backups', 'read') ? to('backups') : null,
    note: join([
      scheduled ? 'made by schedule' : 'no schedule',
      !key && 'no recovery key',
      newest && beside && 'kept beside the data',
    ]),
  });
}

function cached(caches) {
  const sum = (key) => caches.reduce((all, cache) => all + cache[key], 0);
  const asked = sum('hits') + sum('misses');
  return tile({
    label: 'Answered from memory',
    figure: asked ? `${Math.floor((100 * sum('hits')) / asked)} %` : 'Nothing yet',
    note: `of ${count(asked, 'look-up')}, ${bytes(sum('bytes'))} held`,
  });
}

function tiles(data) {
  const { backups, caches, users, audit, jobs, database, elevations, inspection, entity_types: types = [] } = data;
  const entities = types.reduce((sum, type) => sum + (type.count ?? 0), 0);
  return h(
    'div',
    { class: 'tiles' },
    users &&
      tile({
        label: 'Users',
        figure: number(users.total),
        href: to('users'),
        note: join([
          `${number(users.active)} active`,
          users.disabled && `${users.disabled} disabled`,
          users.locked && `${users.locked} locked`,
        ]),
      }),
    tile({
      label: 'Entities',
      figure: number(entities),
      href: to('entity-types'),
      note: `in ${count(types.length, 'type')}`,
    }),
    audit &&
      tile({
        label: 'Denied in 24 hours',
        figure: number(audit.denied_24h),
        href: to('audit', { outcome: 'denied' }),
        note: `${count(audit.failed_logins_24h, 'failed sign-in')}`,
      }),
    audit && tile({ label: 'Audit events', figure: number(audit.events), href: to('audit'), note: 'hash-chained' }),
    inspection && inspected(inspection),
    (elevations?.active > 0 || elevations?.unreviewed > 0) && broken(elevations),
    jobs &&
      tile({
        label: 'Background jobs',
        figure: number(jobs.waiting + jobs.running),
        href: can('jobs', 'read') ? to('jobs', { state: jobs.failed ? 'failed' : null }) : null,
        note: join([`${jobs.running} running`, `${jobs.waiting} waiting`, jobs.failed && `${jobs.failed} failed`]),
      }),
    backups && backedUp(backups),
    caches && cached(caches),
    database &&
      tile({
        label: 'Database',
        figure: bytes(database.size_bytes),
        note: `${bytes(database.wal_bytes)} in the write-ahead log`,
      }),
    tile({
      label: 'Running for',
      figure: span(data.uptime_s ?? 0),
      note: data.started_at ? `started ${ago(data.started_at)}` : '',
    }),
    tile({
      label: 'Version',
      figure: data.version ?? '',
      note: join([sentence(data.environment), data.commit !== 'unknown' && data.commit?.slice(0, 8)]),
    }),
  );
}

function health(data) {
  const well = !data.status || ['ok', 'ready', 'healthy', 'up'].includes(data.status);
  return badge(well ? 'Up and answering' : sentence(data.status), well ? 'good' : 'danger');
}

function warnings(list) {
  const body = list.length
    ? h(
        'ul',
        { class: 'lines' },
        list.map(({ title, detail }) =>
          h(
            'li',
            {},
            icon('alert'),
            h('div', { class: 'grow' }, h('p', { class: 'strong' }, title), h('p', { class: 'muted small' }, detail)),
          ),
        ),
      )
    : h('div', { class: 'card-body' }, notice('good', h('p', {}, 'Nothing insecure was found.')));
  return h(
    'section',
    { class: 'card' },
    h(
      'header',
      { class: 'card-head' },
      h('h2', {}, 'What needs attention'),
      h('a', { class: 'small', href: to('doctor') }, 'Ask the doctor'),
    ),
    body,
  );
}

function entityTypes(types = []) {
  const body = types.length
    ? h(
        'ul',
        { class: 'lines' },
        types.map(({ type, count: n }) =>
          h(
            'li',
            {},
            h('a', { class: 'grow', href: to(`entities/${type}`) }, sentence(type)),
            h('span', { class: 'muted' }, number(n)),
          ),
        ),
      )
    : emptyState({
        icon: 'layers',
        title: 'No entity types yet',
        text: 'An entity type describes one kind of record.',
        action: h('a', { class: 'button', href: to('entity-types', { open: 'new' }) }, 'Create the first'),
      });
  return h('section', { class: 'card' }, h('header', { class: 'card-head' }, h('h2', {}, 'Data')), body);
}

const TRAFFIC = [
  { key: 'requests', label: 'Requests' },
  { key: 'client_errors', label: 'Refused', tone: 'client' },
  { key: 'server_errors', label: 'Failed', tone: 'server' },
];

function traffic({ points, step_s: step = 60 }) {
  const sum = (key) => points.reduce((total, point) => total + (point[key] ?? 0), 0);
  const slowest = Math.max(0, ...points.map((point) => point.p95_ms ?? 0));
  const lead = points.length
    ? `${count(sum('requests'), 'request')} in the last hour, ${number(sum('client_errors'))} refused, ${number(sum('server_errors'))} failed`
    : 'No requests yet';
  const legend = h(
    'div',
    { class: 'legend', 'aria-hidden': 'true' },
    TRAFFIC.map(({ label, tone = '' }) => h('span', { class: tone }, label)),
  );
  return [
    h(
      'section',
      { class: 'card' },
      h('header', { class: 'card-head' }, h('div', {}, h('h2', {}, 'Traffic'), h('p', { class: 'muted small' }, lead))),
      h(
        'div',
        { class: 'card-body' },
        points.length > 1
          ? [chart({ points, series: TRAFFIC }), legend]
          : h('p', { class: 'muted' }, 'The picture starts after two minutes.'),
      ),
    ),
    h(
      'section',
      { class: 'card' },
      h(
        'header',
        { class: 'card-head' },
        h(
          'div',
          {},
          h('h2', {}, 'Response time'),
          h(
            'p',
            { class: 'muted small' },
            `In the slowest ${step === 60 ? 'minute' : `${step} seconds`}, 95 in 100 answers took at most ${number(Math.round(slowest))} ms`,
          ),
        ),
      ),
      h(
        'div',
        { class: 'card-body' },
        points.length > 1
          ? chart({ points, series: [{ key: 'p95_ms', label: '95th percentile' }], unit: 'ms' })
          : h('p', { class: 'muted' }, 'The picture starts after two minutes.'),
      ),
    ),
  ];
}

const bones = () =>
  h(
    'div',
    { class: 'stack late', 'aria-hidden': 'true' },
    h(
      'div',
      { class: 'tiles' },
      Array.from({ length: 8 }, () =>
        h(
          'div',
          { class: 'card tile' },
          h('span', { class: 'bone short' }),
          h('span', { class: 'figure' }, ' '),
          h('span', { class: 'bone long' }),
        ),
      ),
    ),
  );

/** The first page of those who may not read the state of the instance. */
function welcome(root) {
  const links = openPages().map(({ href, label, glyph }) =>
    h('li', {}, icon(glyph), h('a', { class: 'grow', href }, label)),
  );
  root.append(
    pageHead({ title: 'Welcome' }),
    h('section', { class: 'card narrow' }, h('ul', { class: 'lines' }, links)),
  );
  return {};
}

export default function overview({ root }) {
  if (!can('overview', 'read')) return welcome(root);
  const status = h('span', {});
  const summary = h('div', {}, bones());
  const charts = h('div', { class: 'columns' });
  const failure = h('div', {});
  root.append(
    pageHead({ title: 'Overview', actions: [status] }),
    h('div', { class: 'stack' }, failure, summary, charts),
  );
  const lists = h('div', { class: 'columns' });
  root.lastChild.append(lists);

  async function load() {
    try {
      const [data, series] = await Promise.all([get('/overview'), get('/overview/series')]);
      failure.replaceChildren();
      status.replaceChildren(health(data));
      summary.replaceChildren(tiles(data));
      charts.replaceChildren(...traffic(series));
      lists.replaceChildren(
        ...[data.warnings && warnings(data.warnings), entityTypes(data.entity_types)].filter(Boolean),
      );
    } catch (problem) {
      status.replaceChildren(badge('Not answering', 'danger'));
      failure.replaceChildren(problemNotice(problem, load));
      summary.querySelector('.late')?.remove();
    }
  }
  load();
  const timer = setInterval(() => document.visibilityState === 'visible' && load(), 30000);
  let soon = null;
  let stop = () => {};
  // Many changes at once are one look.
  const heard = () => {
    soon ??= setTimeout(() => {
      soon = null;
      if (root.isConnected) load();
    }, 2000);
  };
  const begin = setTimeout(async () => {
    const { follow } = await import('../parts/live.js');
    if (root.isConnected) stop = follow(null, heard);
  }, 1000);
  const leave = () => {
    clearInterval(timer);
    clearTimeout(begin);
    clearTimeout(soon);
    stop();
  };
  return { refresh: load, leave };
}
