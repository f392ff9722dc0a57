import { get } from '../api.js';
import { badge, button, count, emptyState, h, icon, number, problemNotice, sentence, time } from '../main.js';
import { chart } from '../parts/chart.js';
import { pageHead } from '../router.js';

const SEVERITIES = {
  high: ['Grave', 'danger'],
  medium: ['Should be mended', 'caution'],
  low: ['Could be better', ''],
  not_probed: ['Not looked at', ''],
};
const CATEGORIES = {
  transport: 'What travels, and how',
  accounts: 'Who can sign in',
  access: 'Who may do what',
  data: 'What is kept',
  operations: 'Whether it runs well',
};

function bar({ name, score }) {
  const label = CATEGORIES[name] ?? sentence(name);
  return h(
    'li',
    {},
    h('span', { class: 'grow' }, label),
    h('meter', { min: '0', max: '100', low: '60', high: '85', optimum: '100', value: String(score), 'aria-label': label }),
    h('span', { class: 'strong figure-small' }, number(score)),
  );
}

function summary({ score, categories, checked_at: at, findings }) {
  const grave = findings.filter(({ severity }) => severity === 'high').length;
  return h(
    'section',
    { class: 'card' },
    h(
      'header',
      { class: 'card-head' },
      h(
        'div',
        {},
        h('h2', {}, `${number(score)} of 100`),
        h('p', { class: 'muted small' }, 'Looked at ', time(at), ' · ', findings.length ? count(findings.length, 'finding') : 'nothing found'),
      ),
      grave > 0 && badge(`${number(grave)} grave`, 'danger'),
    ),
    h('ul', { class: 'lines' }, categories.map(bar)),
  );
}

function trend({ trend: days, score }) {
  const body =
    days.length > 1
      ? chart({ points: days, series: [{ key: 'score', label: 'Score' }], by: 'day' })
      : h('p', { class: 'muted' }, `Today it is ${number(score)}. The picture starts tomorrow.`);
  return h(
    'section',
    { class: 'card' },
    h('header', { class: 'card-head' }, h('h2', {}, 'Over time')),
    h('div', { class: 'card-body' }, body),
  );
}

const line = ({ title, evidence, remedy }, mark, glyph) =>
  h(
    'li',
    {},
    icon(glyph),
    h(
      'div',
      { class: 'grow break' },
      h('p', { class: 'row' }, h('span', { class: 'strong' }, title), mark),
      h('p', { class: 'muted small' }, evidence),
      remedy && h('p', { class: 'small' }, remedy),
    ),
  );

function findings({ findings: found }) {
  const body = found.length
    ? h(
        'ul',
        { class: 'lines' },
        found.map((finding) => line(finding, badge(...(SEVERITIES[finding.severity] ?? [sentence(finding.severity)])), 'alert')),
      )
    : emptyState({ icon: 'check', title: 'Nothing was found', text: 'Every check was made, and each is as it should be.' });
  return h('section', { class: 'card' }, h('header', { class: 'card-head' }, h('h2', {}, 'What to mend')), body);
}

const good = ({ passed }) =>
  h(
    'details',
    { class: 'card' },
    h('summary', { class: 'card-head' }, h('span', { class: 'strong' }, `${count(passed.length, 'check')} passed`)),
    h('ul', { class: 'lines' }, passed.map((check) => line(check, null, 'check'))),
  );

export default function doctor({ root }) {
  const body = h('div', { class: 'stack' }, h('p', { class: 'muted late' }, 'Looking…'));
  const again = button('Look again', { tone: 'primary', onclick: () => load() });
  root.append(
    pageHead({ title: 'Doctor', lead: 'The instance looks at itself, and says what to mend.', actions: [again] }),
    body,
  );
  async function load() {
    again.disabled = true;
    try {
      const report = await get('/doctor');
      body.replaceChildren(h('div', { class: 'columns' }, summary(report), trend(report)), findings(report), good(report));
    } catch (problem) {
      if (problem.errors === undefined) throw problem;
      body.querySelector('.late')?.remove();
      body.querySelector('.notice[role=alert]')?.remove();
      body.prepend(problemNotice(problem, load));
    }
    again.disabled = false;
  }
  load();
  return { refresh: load };
}
