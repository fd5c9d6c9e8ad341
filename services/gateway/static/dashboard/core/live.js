// What happens in the account, as it happens: one stream of events for all screens of this tab.
import { address } from "./api.js";

const QUIET = 20_000; // ms; the stream is closed this long after the last screen left it

/** @typedef {(data: any) => void} Told */
/** @type {Map<string, Set<Told>>} */
const listeners = new Map();
/** @type {EventSource | null} */
let source = null;
let closing = 0;

/**
 * Be told of `event` ("message", "status", "typing", "knowledge"); "open" after each connection,
 * "reset" when so much was missed that all must be read again. Returns how to stop.
 * @param {string} event @param {Told} told
 */
export function on(event, told) {
  clearTimeout(closing);
  if (!listeners.has(event)) listeners.set(event, new Set());
  listeners.get(event)?.add(told);
  if (source) hear(event);
  else open();
  return () => {
    listeners.get(event)?.delete(told);
    if (![...listeners.values()].some((set) => set.size)) closing = setTimeout(close, QUIET);
  };
}

/** @type {Set<string>} */
const heard = new Set();

function open() {
  source = new EventSource(address("inbox/events"));
  heard.clear();
  for (const event of listeners.keys()) hear(event);
}

/** @param {string} event */
function hear(event) {
  if (heard.has(event) || !source) return;
  heard.add(event);
  source.addEventListener(event, (/** @type {any} */ message) => {
    const data = message.data ? JSON.parse(message.data) : null;
    for (const told of listeners.get(event) ?? []) told(data);
  });
}

function close() {
  source?.close();
  source = null;
}
