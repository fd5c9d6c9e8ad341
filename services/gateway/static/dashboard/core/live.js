// What happens in the account's conversations, as it happens. One stream for the whole page.
import { get, session } from "./api.js";
import { expired, waiting } from "./store.js";
import { effect, signal } from "./ui.js";

const PAUSES = [1_000, 2_000, 5_000, 10_000, 30_000]; // ms between tries
const SETTLE = 400; // ms of quiet before the waiting are counted again

/** @typedef {"message" | "status" | "typing" | "knowledge" | "reset"} Happening */
/** @type {Set<(event: Happening, data: any) => void>} */
const listeners = new Set();
/** Whether events arrive now: "connecting" at first, "live", or "away" while it is tried again. */
export const connection = signal(/** @type {"connecting" | "live" | "away"} */ ("connecting"));

/** @param {(event: Happening, data: any) => void} told @returns {() => void} ends it */
export function onLive(told) {
  listeners.add(told);
  return () => void listeners.delete(told);
}

/** Follow the account until the returned function is called. */
export function follow() {
  /** @type {EventSource | undefined} */
  let source;
  let last = "";
  let tries = 0;
  let timer = 0;
  const connect = () => {
    source = new EventSource(`/api/inbox/events${last ? `?after=${last}` : ""}`);
    source.onopen = () => {
      tries = 0;
      connection.value = "live";
    };
    source.onerror = () => {
      connection.value = "away";
      if (source?.readyState === EventSource.CLOSED) ended(); // refused, not lost
      source?.close();
      const pause = PAUSES[Math.min(tries++, PAUSES.length - 1)];
      timer = window.setTimeout(connect, pause * (0.75 + Math.random() / 2));
    };
    for (const name of /** @type {Happening[]} */ (["message", "status", "typing", "knowledge", "reset"])) {
      source.addEventListener(name, (event) => {
        if (event.lastEventId) last = event.lastEventId;
        const data = JSON.parse(event.data);
        for (const told of listeners) told(name, data);
      });
    }
  };
  const sooner = () => {
    if (connection.peek() !== "away") return; // unwatched: an effect calls this
    clearTimeout(timer);
    tries = 0;
    connect();
  };
  connect();
  addEventListener("online", sooner);
  const uncount = count();
  const unwatch = effect(() => void (expired.value || sooner())); // logged in again
  return () => {
    unwatch();
    removeEventListener("online", sooner);
    clearTimeout(timer);
    source?.close();
    uncount();
  };
}

/** See whether it is the session that is over. */
async function ended() {
  const found = await get("auth/session").catch(() => null);
  if (found && !found.me) session.over();
}

/** Keep the number of those who wait for a person. */
function count() {
  let timer = 0;
  const read = async () => {
    const page = await get("conversations", { status: "escalated", limit: 100 }).catch(() => null);
    if (page) waiting.value = page.data.length;
  };
  read();
  const end = onLive((event) => {
    if (event !== "status" && event !== "reset") return;
    clearTimeout(timer);
    timer = window.setTimeout(read, SETTLE);
  });
  return () => (clearTimeout(timer), end());
}
