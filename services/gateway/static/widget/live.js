// A conversation as it happens: what people write, who is typing, how it stands.

import { online, passing } from "./api.js";
import { events } from "./sse.js";

export class Live {
  /** @param {import("./api.js").Api} api @param {(event: string, data: any) => void} tell */
  constructor(api, tell) {
    this.api = api;
    this.tell = tell;
    this.conversation = "";
    this.last = "";
    /** @type {AbortController | null} */
    this.running = null;
  }

  /** Follow a conversation; the one before is left. @param {string} conversation */
  follow(conversation) {
    if (this.running && this.conversation === conversation) return;
    this.stop();
    if (this.conversation !== conversation) this.last = "";
    this.conversation = conversation;
    this.running = new AbortController();
    this.#run(this.running.signal);
  }

  stop() {
    this.running?.abort();
    this.running = null;
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    const path = `/api/conversations/${this.conversation}/events`;
    let known = !!this.last;
    for (let tries = 0; !signal.aborted; tries++) {
      if (!this.api.memory.visitorId) return; // another visitor from here on
      try {
        /** @type {Record<string, string>} */
        const headers = this.last ? { "Last-Event-ID": this.last } : {};
        const response = await this.api.call(path, { headers, signal, stream: true });
        if (!known) this.tell("reset", {}); // what happened before it stood is not known
        known = true;
        tries = 0;
        for await (const event of events(response)) {
          if (signal.aborted) return;
          if (event.id) this.last = event.id;
          this.tell(event.event, JSON.parse(event.data));
        }
      } catch (error) {
        if (!passing(error) && !(/** @type {any} */ (error).status === 429)) return;
      }
      if (!signal.aborted) await online(Math.min(500 * 2 ** tries, 15_000));
    }
  }
}
