// One answer: asked for once, read to its end over as many connections as it takes.

import { Refused, online, passing } from "./api.js";
import { events } from "./sse.js";

const TRIES = 12; // connections in a row that brought nothing
const LONGEST_PAUSE = 8_000; // ms

/**
 * @typedef {{text: string, conversationId: string, messageId?: string | null, answerId?: string,
 *   finishReason?: string, sources?: any[], error?: {code: string, message: string}}} Frame
 * @typedef {{started?: (conversation: string, answer: string) => void, text?: (text: string) => void,
 *   waiting?: (waiting: boolean) => void}} Listener
 */

export class Answer {
  /** @param {import("./api.js").Api} api @param {Listener} listener */
  constructor(api, listener) {
    this.api = api;
    this.listener = listener;
    this.id = "";
    this.last = ""; // the id of the last frame seen
    this.text = "";
    this.gone = new AbortController();
  }

  /** Ask, and read the answer. Throws `Refused` for what no patience helps. @param {any} body @returns {Promise<Frame>} */
  ask(body) {
    return this.#read(() =>
      this.id
        ? this.#again()
        : this.api.call(`/api/chat/${this.api.chatbot}`, { method: "POST", body, stream: true, signal: this.gone.signal }),
    );
  }

  /** Read an answer that was asked for before. @param {string} id */
  resume(id) {
    this.id = id;
    return this.#read(() => this.#again());
  }

  async stop() {
    if (this.id) await this.api.post(`/api/chat/${this.api.chatbot}/answers/${this.id}/stop`);
    else this.gone.abort();
  }

  #again() {
    /** @type {Record<string, string>} */
    const headers = this.last ? { "Last-Event-ID": this.last } : {};
    return this.api.call(`/api/chat/${this.api.chatbot}/answers/${this.id}`, { headers, stream: true, signal: this.gone.signal });
  }

  /** @param {() => Promise<Response>} connect @returns {Promise<Frame>} */
  async #read(connect) {
    for (let tries = 0; ; tries++) {
      const before = this.last;
      try {
        const end = await this.#follow(await connect());
        if (end) return end;
      } catch (error) {
        if (!passing(error) || this.gone.signal.aborted || tries >= TRIES) throw error;
      }
      if (this.last !== before) tries = 0;
      else if (tries >= TRIES) throw new Refused(0, "broken", "");
      this.listener.waiting?.(true);
      await online(Math.min(250 * 2 ** tries, LONGEST_PAUSE));
    }
  }

  /** @param {Response} response @returns {Promise<Frame | null>} the last frame, null when it broke off */
  async #follow(response) {
    this.id = response.headers.get("X-Answer-Id") ?? this.id;
    this.listener.started?.(response.headers.get("X-Conversation-Id") ?? "", this.id);
    this.listener.waiting?.(false);
    /** @type {Frame | null} */
    let end = null;
    for await (const event of events(response)) {
      if (event.data === "[DONE]") continue; // the stream ends by itself
      /** @type {Frame} */
      const frame = JSON.parse(event.data);
      if (!event.id) break; // the gateway's own end: the answer goes on without it
      this.last = event.id;
      if (frame.text) this.listener.text?.((this.text += frame.text));
      if (frame.finishReason) end = frame;
    }
    return end;
  }
}
