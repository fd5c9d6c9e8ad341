// Where we are: the path below /dashboard, and what is asked of it. Links are plain links.
import { signal } from "./ui.js";

const ROOT = "/dashboard";

/** @typedef {{path: string, query: Record<string, string>}} Place */

/** @returns {Place} */
function read() {
  const path = location.pathname.slice(ROOT.length).replace(/^\/+|\/+$/g, "");
  return { path, query: Object.fromEntries(new URLSearchParams(location.search)) };
}

export const place = signal(read());

/** Asked before a screen is left; false keeps it. @type {{ask: null | (() => Promise<boolean>)}} */
export const leaving = { ask: null };

/** @param {string} path below /dashboard @param {Record<string, string | undefined>} [query] */
export function href(path, query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value);
  const search = new URLSearchParams(/** @type {[string, string][]} */ (pairs)).toString();
  return `${ROOT}${path ? `/${path}` : ""}${search ? `?${search}` : ""}`;
}

/** @param {string} path @param {{query?: Record<string, string | undefined>, replace?: boolean}} [how] */
export function go(path, { query, replace = false } = {}) {
  return visit(href(path, query), replace);
}

/** Another query of the same screen. @param {Record<string, string | undefined>} changes */
export function ask(changes) {
  history.replaceState(null, "", href(place.value.path, { ...place.value.query, ...changes }));
  place.value = read();
}

/** @param {string} url @param {boolean} replace */
async function visit(url, replace) {
  if (leaving.ask && !(await leaving.ask())) return;
  leaving.ask = null;
  history[replace ? "replaceState" : "pushState"](null, "", url);
  arrive();
}

function arrive() {
  place.value = read();
  if (!location.hash) scrollTo(0, 0);
}

export function listen() {
  addEventListener("popstate", async () => {
    const wanted = location.pathname + location.search;
    if (leaving.ask) {
      history.pushState(null, "", href(place.value.path, place.value.query));
      return visit(wanted, false);
    }
    arrive();
  });
  addEventListener("beforeunload", (event) => leaving.ask && event.preventDefault());
  document.addEventListener("click", (event) => {
    const link = /** @type {HTMLAnchorElement | null} */ (/** @type {Element} */ (event.target).closest?.("a[href]"));
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented || link.target || link.origin !== location.origin) return;
    if (link.pathname !== ROOT && !link.pathname.startsWith(`${ROOT}/`)) return;
    event.preventDefault();
    visit(link.pathname + link.search, false);
  });
}

/**
 * Values of a pattern's places (":name", optional with "?"), null where it does not fit.
 * @param {string} pattern @param {string} path @returns {Record<string, string> | null}
 */
export function match(pattern, path) {
  const parts = path ? path.split("/") : [];
  const wanted = pattern ? pattern.split("/") : [];
  if (parts.length > wanted.length) return null;
  /** @type {Record<string, string>} */
  const values = {};
  for (const [i, want] of wanted.entries()) {
    const part = parts[i];
    if (!want.startsWith(":")) {
      if (part !== want) return null;
    } else if (part !== undefined) values[want.slice(1).replace("?", "")] = decodeURIComponent(part);
    else if (!want.endsWith("?")) return null;
  }
  return values;
}
