// The one place that talks to the server.

const BASE = '/api/v1';

/** Fires `signed-out` when a session has ended and `kill-switch` when the server says it is closed. */
export const signals = new EventTarget();

// Held in memory alone: a script from elsewhere finds nothing in storage.
let csrfToken = '';
export function setCsrfToken(token) {
  csrfToken = token ?? '';
}

/** A refusal as the server words it (RFC 9457), or a connection that failed (status 0). */
export class Problem extends Error {
  constructor(status, body = {}, retryAfter = null) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.title = body.title ?? '';
    this.code = body.code ?? '';
    this.requestId = body.request_id ?? '';
    this.decisionId = body.decision_id ?? '';
    this.errors = body.errors ?? [];
    this.body = body;
    this.retryAfter = retryAfter;
  }
}

const unreachable = () =>
  new Problem(0, {
    code: 'unreachable',
    detail: 'The server does not answer. Check that it is running and that you are online.',
  });

function headersFor(method, type, extra) {
  const headers = { Accept: 'application/json', ...extra };
  if (type) headers['Content-Type'] = type;
  if (method !== 'GET' && csrfToken) headers['X-CSRF-Token'] = csrfToken;
  return headers;
}

export function address(path, query = {}) {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') params.set(key, value);
  }
  const text = params.toString();
  return BASE + path + (text ? `?${text}` : '');
}

function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function problemFrom(status, body, retryAfter) {
  const problem = new Problem(status, body ?? {}, Number(retryAfter) || null);
  const told = ['invalid_credentials', 'mfa_required'];
  if (status === 401 && !told.includes(problem.code)) signals.dispatchEvent(new Event('signed-out'));
  if (problem.code === 'kill_switch_active') signals.dispatchEvent(new Event('kill-switch'));
  return problem;
}

/** Answers `{ body, etag }`, or throws a Problem. */
export async function request(method, path, { query, body, type, headers, signal } = {}) {
  const contentType = body === undefined ? null : (type ?? 'application/json');
  let response;
  try {
    response = await fetch(address(path, query), {
      method,
      signal,
      credentials: 'same-origin',
      headers: headersFor(method, contentType, headers),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (cause) {
    if (cause.name === 'AbortError') throw cause;
    throw unreachable();
  }
  const answer = parse(await response.text());
  if (!response.ok) throw problemFrom(response.status, answer, response.headers.get('Retry-After'));
  return { body: answer, etag: response.headers.get('ETag') };
}

const bodyOf = async (...args) => (await request(...args)).body;

export const get = (path, query, signal) => bodyOf('GET', path, { query, signal });
export const post = (path, body) => bodyOf('POST', path, { body });
export const patch = (path, body, options) => bodyOf('PATCH', path, { body, ...options });
export const put = (path, body) => bodyOf('PUT', path, { body });
export const remove = (path) => bodyOf('DELETE', path);

/** Sends a file as it is. XMLHttpRequest, because fetch tells nothing of progress. */
export function upload(path, { query, file, type, onProgress }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open('POST', address(path, query));
    for (const [name, value] of Object.entries(headersFor('POST', type))) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    xhr.onerror = () => reject(unreachable());
    xhr.onload = () => {
      const body = parse(xhr.responseText);
      if (xhr.status < 300) resolve(body);
      else reject(problemFrom(xhr.status, body, xhr.getResponseHeader('Retry-After')));
    };
    xhr.send(file);
  });
}

/** A text as a literal of the filter language. */
export const literal = (text) => `"${String(text).replace(/[\\"]/g, '\\$&')}"`;
export const segment = encodeURIComponent;
