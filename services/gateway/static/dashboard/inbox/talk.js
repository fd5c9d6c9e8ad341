// One conversation being worked on: what is known of it, what is under way, and what can be done.
import { call, get, post, token } from "../core/api.js";
import { onLive } from "../core/live.js";
import { me } from "../core/store.js";
import { useCallback, useEffect, useRef, useState } from "../core/ui.js";

const PAGE = 100; // messages
const TYPING_SHOWN = 5_000; // ms
const TYPING_TOLD = 3_000; // ms

/** @typedef {{key: string, text: string, note: boolean, state: "sending" | "failed", error?: any}} Pending */
/** @typedef {{conversation?: any, messages: any[], earlier?: string | null, pending: Pending[], error?: any, typing: boolean}} Talk
 *   `earlier` is the cursor of what came before `messages`; undefined until they are read */

/** @param {string} id */
export function useTalk(id) {
  const [talk, set] = useState(/** @type {Talk} */ ({ messages: [], pending: [], typing: false }));
  const change = useCallback((/** @type {(talk: Talk) => Partial<Talk>} */ how) => set((now) => ({ ...now, ...how(now) })), []);
  const load = useCallback(async () => {
    try {
      const [conversation, end] = await Promise.all([get(`conversations/${id}`), part(id, null)]);
      change((now) => ({ conversation, ...joined(now, end), error: undefined }));
    } catch (error) {
      change(() => ({ error }));
    }
  }, [id]);
  useEffect(() => void load(), [load]);
  useLiveTalk(id, change, load);
  /** Read what came before. @param {() => void} found told just before it is shown */
  const more = async (found) => {
    const before = await part(id, talk.earlier ?? null);
    found();
    change((now) => ({ messages: [...before.messages, ...now.messages], earlier: before.earlier }));
  };
  return { ...talk, reload: load, more, ...useActs(id, talk, change) };
}

/** The last messages, or those before a cursor; oldest first. @param {string} id @param {string | null} cursor */
async function part(id, cursor) {
  const { data, pagination } = await get(`conversations/${id}/messages`, { order: "newest", limit: PAGE, cursor });
  return { messages: /** @type {any[]} */ (data).reverse(), earlier: pagination.hasMore ? pagination.cursor : null };
}

/** What is shown, and the end of it read anew; without a gap between the two. @param {Talk} now @param {{messages: any[], earlier: string | null}} end */
function joined(now, end) {
  const known = new Set(now.messages.map((one) => one.id));
  if (now.earlier !== undefined && end.earlier && !end.messages.some((one) => known.has(one.id))) return end;
  return { messages: end.messages.reduce(merged, now.messages), earlier: now.earlier === undefined ? end.earlier : now.earlier };
}

/** @param {any[]} messages @param {any} one */
function merged(messages, one) {
  const at = messages.findIndex((m) => m.id === one.id);
  if (at >= 0) return messages.with(at, one);
  return [...messages, one].sort((a, b) => (a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : a.id < b.id ? -1 : 1));
}

/** What is still under way once `message` is known to be there: its own answer may come later, or never. @param {Talk} talk @param {any} message */
function unsent({ messages, pending }, message) {
  if (message.sender !== "admin" || messages.some((m) => m.id === message.id)) return pending;
  const at = pending.findIndex((one) => one.text === message.text && one.note === message.internal);
  return at < 0 ? pending : pending.toSpliced(at, 1);
}

/** @param {string} id @param {(how: (talk: Talk) => Partial<Talk>) => void} change @param {() => void} load */
function useLiveTalk(id, change, load) {
  const timer = useRef(0);
  useEffect(() => {
    const quiet = () => change(() => ({ typing: false }));
    const end = onLive((event, data) => {
      if (event === "reset") return load();
      if (event === "status" && data.id === id) change(() => ({ conversation: data }));
      if (event === "message" && data.conversationId === id) {
        change((now) => ({ messages: merged(now.messages, data), pending: unsent(now, data), ...(data.sender === "visitor" ? { typing: false } : {}) }));
      }
      if (event === "typing" && data.conversationId === id && data.sender === "visitor") {
        change(() => ({ typing: true }));
        clearTimeout(timer.current);
        timer.current = window.setTimeout(quiet, TYPING_SHOWN);
      }
    });
    return () => (clearTimeout(timer.current), end());
  }, [id]);
}

/** @param {string} id @param {Talk} talk @param {(how: (talk: Talk) => Partial<Talk>) => void} change */
function useActs(id, talk, change) {
  const told = useRef(0);
  const path = `conversations/${id}`;

  /** Shown at once; marked when it fails, with a way to try again. @param {Pending} one */
  async function deliver(one) {
    change((now) => ({ pending: [...now.pending.filter((p) => p.key !== one.key), { ...one, state: "sending", error: undefined }] }));
    try {
      const sent = one.note
        ? await post(`${path}/notes`, { text: one.text }, { key: one.key })
        : await post(`${path}/reply`, { message: one.text, force: true }, { key: one.key });
      change((now) => ({ messages: merged(now.messages, sent), pending: now.pending.filter((p) => p.key !== one.key) }));
    } catch (error) {
      change((now) => ({ pending: now.pending.map((p) => (p.key === one.key ? { ...p, state: "failed", error } : p)) }));
    }
  }

  /** Show a change before the server agrees; take it back, and raise, when it doesn't. @param {any} changes @param {() => Promise<any>} ask */
  async function optimistically(changes, ask) {
    const before = talk.conversation;
    change((now) => ({ conversation: { ...now.conversation, ...changes } }));
    try {
      const conversation = await ask();
      change(() => ({ conversation }));
    } catch (error) {
      change(() => ({ conversation: before }));
      throw error;
    }
  }

  return {
    send: (/** @type {string} */ text, /** @type {boolean} */ note) => deliver({ key: token(), text, note, state: "sending" }),
    again: deliver,
    discard: (/** @type {string} */ key) => change((now) => ({ pending: now.pending.filter((p) => p.key !== key) })),
    assign: (/** @type {string | null} */ userId) => optimistically({ assigneeId: userId }, () => post(`${path}/assign`, { userId })),
    tag: (/** @type {string[]} */ tags) => optimistically({ tags }, () => post(`${path}/tags`, { tags, mode: "replace" })),
    move: (/** @type {"resolve" | "handback" | "escalate"} */ verb) =>
      optimistically({ status: { resolve: "resolved", handback: "open", escalate: "escalated" }[verb] },
        () => post(`${path}/${verb}`, verb === "escalate" ? { reason: `${me.value.user.name || me.value.user.email} took over.` } : {})),
    writes: () => {
      if (talk.conversation?.status !== "escalated" || Date.now() - told.current < TYPING_TOLD) return;
      told.current = Date.now();
      call("POST", `${path}/typing`, { body: {} }).catch(() => {}); // only a hint
    },
  };
}
