// Reading from the server: one thing (`useLoad`), or a list that pages (`useList`).
import { get } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./ui.js";

/**
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} read
 * @param {any[]} needs reads again when one of these differs
 */
export function useLoad(read, needs) {
  const [state, set] = useState(/** @type {{data?: T, error?: any, loading: boolean}} */ ({ loading: true }));
  const [round, again] = useState(0);
  const last = useRef(needs);
  useEffect(() => {
    const gone = new AbortController();
    const other = last.current.some((value, i) => value !== needs[i]);
    last.current = needs;
    set((now) => ({ data: other ? undefined : now.data, loading: true }));
    read(gone.signal).then(
      (data) => gone.signal.aborted || set({ data, loading: false }),
      (error) => gone.signal.aborted || set((now) => ({ ...now, error, loading: false })),
    );
    return () => gone.abort();
  }, [...needs, round]);
  const reload = useCallback(() => again((n) => n + 1), []);
  const put = useCallback((/** @type {T} */ data) => set({ data, loading: false }), []);
  return { ...state, reload, put };
}

/**
 * A list of the API, a page at a time.
 * @param {string} path
 * @param {import("./api.js").Query} [query]
 * @param {number} [limit]
 */
export function useList(path, query = {}, limit = 30) {
  const [state, set] = useState(/** @type {{items: any[], cursor: string | null, error?: any, loading: boolean, first: boolean}} */ ({ items: [], cursor: null, loading: true, first: true }));
  const wanted = JSON.stringify([path, query]);
  const gone = useRef(new AbortController());
  const read = useCallback((/** @type {string | null} */ cursor, /** @type {boolean} */ quiet) => {
    gone.current.abort();
    const { signal } = (gone.current = new AbortController());
    set((now) => ({ ...now, loading: !quiet, error: undefined }));
    get(path, { ...query, limit, cursor }, signal).then(
      ({ data, pagination }) => set((now) => ({
        items: cursor ? joined(now.items, data) : data,
        cursor: pagination.hasMore ? pagination.cursor : null,
        loading: false,
        first: false,
      })),
      (error) => signal.aborted || set((now) => ({ ...now, error, loading: false, first: false })),
    );
  }, [wanted]);
  useEffect(() => {
    set({ items: [], cursor: null, loading: true, first: true });
    read(null, false);
    return () => gone.current.abort();
  }, [read]);
  return {
    ...state,
    hasMore: state.cursor !== null,
    more: () => read(state.cursor, false),
    /** Read the first page again; `quiet` without a sign of loading. */
    reload: (/** @type {boolean} */ quiet = false) => read(null, quiet),
    change: (/** @type {(items: any[]) => any[]} */ how) => set((now) => ({ ...now, items: how(now.items) })),
  };
}

/** @param {any[]} before @param {any[]} more */
function joined(before, more) {
  const known = new Set(before.map((item) => item.id));
  return [...before, ...more.filter((item) => !known.has(item.id))];
}
