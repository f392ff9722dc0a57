// Small line charts over time: SVG, one scale, with a table for those who can't see it.

import { h, number, svg } from '../main.js';

const WIDTH = 600;
const HEIGHT = 150;
const LABELS = {
  minute: (iso) => new Date(iso).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' }),
  day: (iso) => new Date(iso).toLocaleDateString(undefined, { day: 'numeric', month: 'short' }),
};

/** The next round figure, so that the scale reads well. */
function roundUp(value) {
  if (value <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(value));
  const tops = [1, 2, 3, 4, 5, 6, 8, 10, 20].map((step) => step * power);
  return tops.find((top) => top >= value && top % 2 === 0);
}

function path(points, key, top) {
  const step = WIDTH / Math.max(points.length - 1, 1);
  return points
    .map(
      (point, i) =>
        `${i ? 'L' : 'M'}${(i * step).toFixed(1)} ${(HEIGHT - ((point[key] ?? 0) / top) * HEIGHT).toFixed(1)}`,
    )
    .join('');
}

function summary(points, series, unit, by) {
  const table = h(
    'table',
    {},
    h('caption', {}, `By ${by}${unit ? `, in ${unit}` : ''}`),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'Time'),
        series.map(({ label }) => h('th', { scope: 'col' }, label)),
      ),
    ),
    h(
      'tbody',
      {},
      points.map((point) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, LABELS[by](point.at)),
          series.map(({ key }) => h('td', {}, number(point[key]))),
        ),
      ),
    ),
  );
  // A table would grow beyond the height that hides it.
  return h('div', { class: 'visually-hidden' }, table);
}

/** `series`: `[{ key, label, tone }]`; the first one is filled. `by` is `minute` or `day`. */
export function chart({ points, series, unit = '', by = 'minute' }) {
  const top = roundUp(Math.max(...points.flatMap((point) => series.map(({ key }) => point[key] ?? 0)), 0));
  // A line of zeros would lie on the axis and cover the first one.
  const drawn = series.filter(({ key }, i) => i === 0 || points.some((point) => point[key]));
  const drawing = svg(
    'svg',
    { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    ...[0, 0.5, 1].map((part) =>
      svg('line', {
        class: 'grid',
        x1: 0,
        x2: WIDTH,
        y1: HEIGHT * part,
        y2: HEIGHT * part,
        'vector-effect': 'non-scaling-stroke',
      }),
    ),
    svg('path', { class: 'area', d: `${path(points, series[0].key, top)}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z` }),
    ...drawn.map(({ key, tone = '' }) => svg('path', { class: `line ${tone}`, d: path(points, key, top) })),
  );
  const scale = [top, top / 2, 0].map((value) => h('span', {}, `${number(value)}${unit ? ` ${unit}` : ''}`));
  // Of two points neither is in the middle.
  const middle = points.length > 2 ? [points[Math.floor(points.length / 2)]] : [];
  const axis = [points[0], ...middle, points.at(-1)].map((point) => h('span', {}, LABELS[by](point.at)));
  return h(
    'div',
    {},
    h(
      'div',
      { class: 'chart-frame', 'aria-hidden': 'true' },
      h('div', { class: 'chart-scale' }, scale),
      drawing,
      h('div', { class: 'chart-axis' }, axis),
    ),
    summary(points, series, unit, by),
  );
}
