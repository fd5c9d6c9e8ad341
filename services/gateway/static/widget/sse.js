// Server-sent events over fetch (WHATWG HTML, 9.2), which can carry a token; EventSource can't.

import { Refused } from "./api.js";

const SILENCE = 25_000; // ms without even a ping: the connection is dead

/** @typedef {{event: string, id: string, data: string}} Event */

/**
 * The events of a response. Throws `Refused` (status 0) when it breaks off or falls silent.
 * @param {Response} response
 * @returns {AsyncGenerator<Event>}
 */
export async function* events(response) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await within(reader.read());
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.split("\n\n");
      rest = /** @type {string} */ (blocks.pop());
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {string} block @returns {Event | null} */
export function parse(block) {
  const event = { event: "message", id: "", data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 1) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const name = line.slice(0, colon);
    if (name === "data") event.data += (event.data && "\n") + value;
    else if (name === "id" || name === "event") event[name] = value;
  }
  return event.data ? event : null;
}

/** @template T @param {Promise<T>} read @returns {Promise<T>} */
async function within(read) {
  let timer = 0;
  const silent = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Refused(0, "silent", "")), SILENCE);
  });
  try {
    return /** @type {T} */ (await Promise.race([read, silent]));
  } catch {
    throw new Refused(0, "broken", "");
  } finally {
    clearTimeout(timer);
  }
}
