// The document of the API as a page: operations by noun, what they take, what they answer, and how to call them.

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child || child === 0));
  return element;
}

/** Code between backticks. */
const prose = (text) =>
  String(text ?? '')
    .split('`')
    .map((part, index) => (index % 2 ? h('code', {}, part) : part));

const resolve = (all, schema) =>
  schema?.$ref ? { name: schema.$ref.split('/').at(-1), ...all.components.schemas[schema.$ref.split('/').at(-1)] } : (schema ?? {});

function kindOf(all, schema) {
  const found = resolve(all, schema);
  if (found.enum) return found.enum.map((one) => JSON.stringify(one)).join(' or ');
  if (found.oneOf?.every((one) => one.const !== undefined)) return found.oneOf.map((one) => JSON.stringify(one.const)).join(' or ');
  const choices = found.anyOf ?? found.oneOf;
  if (choices) return choices.map((one) => kindOf(all, one)).join(' or ');
  if (found.type === 'array') return `list of ${kindOf(all, found.items)}`;
  const type = [found.type ?? 'anything'].flat().join(' or ');
  return found.format ? `${type} (${found.format})` : type;
}

/** The members of a schema, those of what it is put together from included. */
function membersOf(all, schema) {
  const found = resolve(all, schema);
  const parts = (found.allOf ?? []).flatMap((part) => membersOf(all, part));
  const own = Object.entries(found.properties ?? {}).map(([name, property]) => ({
    name,
    property,
    required: (found.required ?? []).includes(name),
  }));
  const names = own.map(({ name }) => name);
  return [...parts.filter(({ name }) => !names.includes(name)), ...own];
}

function memberRows(all, schema, depth = 0) {
  return membersOf(all, schema).flatMap(({ name, property, required }) => {
    const inner = resolve(all, property);
    const nested = inner.type === 'array' ? resolve(all, inner.items) : inner;
    return [
      h(
        'tr',
        {},
        h('th', { scope: 'row', class: `docs-depth-${Math.min(depth, 3)}` }, h('code', {}, name), required && h('span', { class: 'muted' }, ' required')),
        h('td', {}, kindOf(all, property), ' ', h('span', { class: 'muted' }, prose(property.description ?? inner.description))),
      ),
      depth < 2 && nested.properties ? memberRows(all, nested, depth + 1) : [],
    ];
  });
}

const table = (caption, rows) =>
  rows.length ? h('table', { class: 'docs-table' }, h('caption', {}, caption), h('tbody', {}, rows)) : '';

const example = (all, schema, depth = 0) => {
  const found = resolve(all, schema);
  if (found.example !== undefined) return found.example;
  const choice = found.enum?.[0] ?? found.oneOf?.[0]?.const;
  if (choice !== undefined) return choice;
  if (found.anyOf || found.oneOf) return example(all, (found.anyOf ?? found.oneOf)[0], depth);
  const type = [found.type].flat()[0];
  if (type === 'object' || found.properties || found.allOf)
    return Object.fromEntries(
      membersOf(all, found)
        .filter(({ required }) => required || depth === 0)
        .slice(0, 6)
        .map(({ name, property }) => [name, depth > 2 ? null : example(all, property, depth + 1)]),
    );
  if (type === 'array') return depth > 1 ? [] : [example(all, found.items, depth + 1)];
  if (type === 'integer' || type === 'number') return found.minimum ?? 1;
  if (type === 'boolean') return true;
  const formats = { email: 'ada@example.org', uuid: '01980000-0000-7000-8000-000000000000', 'date-time': '2030-01-01T00:00:00Z' };
  return formats[found.format] ?? '…';
};

function curl(all, path, method, operation) {
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const lines = [
    `curl${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} '${location.origin}${path}'`,
    operation.security?.length && `-H "Authorization: Bearer $TOKEN"`,
    type && `-H 'Content-Type: ${type}'`,
    media?.schema && `-d '${JSON.stringify(example(all, media.schema))}'`,
  ];
  return lines.filter(Boolean).join(' \\\n  ');
}

function parameterRow(all, { name, required, schema, description, in: where }) {
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, h('code', {}, name), required && h('span', { class: 'muted' }, ' required')),
    h('td', {}, kindOf(all, schema), where === 'header' ? ', a header ' : ' ', h('span', { class: 'muted' }, prose(description))),
  );
}

function responseRow(all, status, response) {
  const found = response.$ref ? all.components.responses[response.$ref.split('/').at(-1)] : response;
  const schema = found.content?.['application/json']?.schema;
  return h('tr', {}, h('th', { scope: 'row' }, h('code', {}, status)), h('td', {}, found.description, ' ', schema && h('span', { class: 'muted' }, resolve(all, schema).name ?? '')));
}

function details(all, path, method, operation, shared) {
  const media = Object.values(operation.requestBody?.content ?? {})[0];
  const good = Object.entries(operation.responses).find(([status]) => status < 300)?.[1].content?.['application/json']?.schema;
  return [
    h('p', {}, prose(operation.description)),
    table('Parameters', [...shared, ...(operation.parameters ?? [])].map((one) => parameterRow(all, one))),
    media?.schema ? table('Body', memberRows(all, media.schema)) : '',
    good ? table('Answer', memberRows(all, good)) : '',
    table('Statuses', Object.entries(operation.responses).map(([status, response]) => responseRow(all, status, response))),
    h('pre', { class: 'docs-call', tabindex: '0', 'aria-label': 'How to call it' }, curl(all, path, method, operation)),
  ];
}

function operationView(all, path, method, operation, shared) {
  const body = h('div', { class: 'docs-body' });
  return h(
    'details',
    {
      class: 'docs-operation',
      id: operation.operationId,
      ontoggle: ({ target }) => {
        if (target.open && !body.childNodes.length) body.append(...details(all, path, method, operation, shared).filter(Boolean));
      },
    },
    h('summary', {}, h('span', { class: `docs-method docs-${method}` }, method.toUpperCase()), h('code', {}, path.replace('/api/v1', '')), h('span', { class: 'muted' }, operation.summary)),
    body,
  );
}

function groups(all) {
  const byTag = new Map();
  for (const [path, item] of Object.entries(all.paths)) {
    for (const method of METHODS.filter((one) => item[one])) {
      const tag = item[method].tags[0];
      const words = `${method} ${path} ${item[method].summary}`.toLowerCase();
      byTag.set(tag, [...(byTag.get(tag) ?? []), { words, node: operationView(all, path, method, item[method], item.parameters ?? []) }]);
    }
  }
  return [...byTag].map(([tag, operations]) => ({
    operations,
    node: h('section', {}, h('h2', {}, tag.replaceAll('-', ' ')), operations.map(({ node }) => node)),
  }));
}

function page(all) {
  const shown = groups(all);
  const none = h('p', { class: 'muted', hidden: true }, 'Nothing matches. Try a word of the path, such as “users”.');
  const look = ({ target }) => {
    const wanted = target.value.trim().toLowerCase();
    for (const { node, operations } of shown) {
      for (const operation of operations) operation.node.hidden = !operation.words.includes(wanted);
      node.hidden = operations.every((operation) => operation.node.hidden);
    }
    none.hidden = shown.some(({ node }) => !node.hidden);
  };
  return h(
    'main',
    { class: 'docs-main' },
    h('header', { class: 'docs-head' }, h('h1', {}, 'API'), h('p', { class: 'muted' }, prose(all.info.description)), h('p', {}, h('a', { href: '/openapi.json' }, 'OpenAPI document'), ' · ', h('a', { href: '/console/' }, 'Console'))),
    h('input', { type: 'search', class: 'docs-search', placeholder: 'Find an operation', 'aria-label': 'Find an operation', oninput: look }),
    shown.map(({ node }) => node),
    none,
  );
}

async function start() {
  const place = document.getElementById('docs');
  try {
    const response = await fetch('/openapi.json', { credentials: 'same-origin' });
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
    place.replaceChildren(page(await response.json()));
    document.getElementById(location.hash.slice(1))?.setAttribute('open', '');
  } catch (problem) {
    place.replaceChildren(
      h('main', {}, h('h1', {}, 'API'), h('p', { role: 'alert' }, `The document could not be read. ${problem.message}`), h('button', { class: 'button', onclick: start }, 'Retry')),
    );
  }
}

start();
