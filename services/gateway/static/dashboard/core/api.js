// The gateway, with the session's cookie. Every refusal becomes an `ApiError` to show as it is.

/** @typedef {Record<string, string | number | boolean | null | undefined>} Query */
/** @typedef {{query?: Query, body?: any, form?: FormData, key?: string, signal?: AbortSignal, headers?: Record<string, string>, heard?: (response: Response) => void}} Options */

const CALL_TIMEOUT = 30_000; // ms
const UPLOAD_TIMEOUT = 300_000; // ms

/** What the server said no with; `status` 0 when it was not reached. */
export class ApiError extends Error {
  /** @param {{status: number, code: string, message: string, details?: any, requestId?: string, retryAfter?: number}} facts */
  constructor({ status, code, message, details = {}, requestId = "", retryAfter = 0 }) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
    this.requestId = requestId;
    this.retryAfter = retryAfter; // seconds
  }
}

/** Called when the session is over. */
export const session = { over: () => {} };

/** @param {string} path @param {Query} [query] */
export function address(path, query = {}) {
  const pairs = Object.entries(query).filter(([, v]) => v !== undefined && v !== null && v !== "");
  const search = new URLSearchParams(pairs.map(([name, v]) => [name, String(v)])).toString();
  return `/api/${path}${search ? `?${search}` : ""}`;
}

/** Raises `ApiError`. @param {string} method @param {string} path @param {Options} [options] @returns {Promise<any>} */
export async function call(method, path, { query, body, form, key, signal, headers = {}, heard } = {}) {
  const limit = AbortSignal.timeout(form ? UPLOAD_TIMEOUT : CALL_TIMEOUT);
  let response;
  try {
    response = await fetch(address(path, query), {
      method,
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(key ? { "Idempotency-Key": key } : {}),
        ...headers,
      },
      body: form ?? (body === undefined ? undefined : JSON.stringify(body)),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      credentials: "same-origin",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreached(error);
  }
  if (!response.ok) throw await refusal(response, path);
  heard?.(response);
  return response.status === 204 ? null : response.json();
}

/** @param {unknown} error */
function unreached(error) {
  const late = error instanceof DOMException && error.name === "TimeoutError";
  return new ApiError({
    status: 0,
    code: late ? "timeout" : "offline",
    message: late ? "The server took too long to answer." : "The server could not be reached. Check your connection.",
  });
}

/** @param {Response} response @param {string} path */
export async function refusal(response, path) {
  const { error = {} } = await response.json().catch(() => ({}));
  if (response.status === 401 && !path.startsWith("auth/")) session.over();
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  let message = error.message || `The server answered ${response.status}.`;
  if (response.status === 429 && retryAfter) message += ` Try again in ${retryAfter} s.`;
  const requestId = response.headers.get("X-Request-Id") ?? "";
  return new ApiError({ status: response.status, code: error.code ?? "error", message, details: error.details, requestId, retryAfter });
}

/** For requests sent twice to count once. */
export const token = () => [...crypto.getRandomValues(new Uint8Array(16))].map((n) => n.toString(16).padStart(2, "0")).join("");

/** With the version to name in `If-Match` when it is changed. @param {string} path @param {AbortSignal} signal @returns {Promise<{data: any, etag: string}>} */
export async function getTagged(path, signal) {
  const kept = { etag: "" };
  const data = await call("GET", path, { signal, heard: (response) => (kept.etag = response.headers.get("ETag") ?? "") });
  return { data, etag: kept.etag };
}

/** @param {string} path @param {Query} [query] @param {AbortSignal} [signal] */
export const get = (path, query, signal) => call("GET", path, { query, signal });
/** @param {string} path @param {any} [body] @param {Options} [options] */
export const post = (path, body = {}, options = {}) => call("POST", path, { ...options, body });
/** @param {string} path @param {any} body @param {Options} [options] */
export const patch = (path, body, options = {}) => call("PATCH", path, { ...options, body });
/** @param {string} path @param {Query} [query] */
export const remove = (path, query) => call("DELETE", path, { query });

/** All pages of a list that is never long (chatbots, users). @param {string} path @param {Query} [query] */
export async function all(path, query = {}) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(path, { ...query, limit: 100, cursor });
    items.push(...page.data);
    cursor = page.pagination.hasMore ? page.pagination.cursor : null;
  } while (cursor);
  return items;
}
