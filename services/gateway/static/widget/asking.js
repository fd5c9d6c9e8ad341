// A question on its way, and its answer from the first word to the last.

import { Answer } from "./answer.js";
import { h, icon } from "./dom.js";
import { fill } from "./text.js";

/** @typedef {import("./api.js").Refused} Refused */
/** @typedef {import("./message.js").Bubble} Bubble */

const STILL_MEANT = 600_000; // ms after which a question that was cut off is not asked again
const LONGEST_COUNT = 900; // seconds worth counting down; beyond it is a budget that is used up
const LONGEST = 8_000; // characters

export class Asking {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    /** @type {Answer | null} that is being read */
    this.answer = null;
    /** @type {Set<string>} answers that this page shows */
    this.answers = new Set();
  }

  stop() {
    this.answer?.stop().catch(() => {});
  }

  /** Go on without what is being answered. */
  leave() {
    this.answer?.gone.abort();
  }

  /** @param {string} text @returns {Promise<void>} */
  async send(text) {
    const { app } = this;
    await app.ready;
    const message = text.trim().slice(0, LONGEST);
    if (!message) return;
    if (this.answer) return app.panel.write(message); // one thing after the other
    const body = {
      message,
      conversationId: app.conversation?.id,
      language: app.page.root.lang,
      clientMessageId: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`,
      metadata: { page: location.href.slice(0, 500) },
    };
    app.api.remember({ asked: { body, at: Date.now() } });
    await this.#ask(body);
  }

  /** Ask again what a reload cut off before it was known to be taken; the server takes it once. */
  resume() {
    const { api, talk } = this.app;
    const { body, at } = api.memory.asked ?? { body: null, at: 0 };
    if (!body || this.answer) return;
    const taken = talk.all.some((one) => one.sender === "visitor" && one.text === body.message && Date.parse(one.createdAt) > at - 60_000);
    if (taken || Date.now() - at > STILL_MEANT) return api.remember({ asked: undefined });
    this.#ask(body);
  }

  /** Read on where one of these messages is still being answered. @param {import("./message.js").Message[]} messages */
  follow(messages) {
    const running = messages.filter((message) => message.status === "answering").pop()?.answerId;
    if (!running) return;
    this.answers.add(running);
    this.#read(new Answer(this.app.api, {}), (answer) => answer.resume(running));
  }

  /** @param {any} body */
  async #ask(body) {
    this.app.talk.clearOffers();
    const mine = this.app.talk.open({ sender: "visitor", text: body.message });
    mine.element.classList.add("sending");
    mine.element.classList.toggle("held", !navigator.onLine);
    await this.#read(new Answer(this.app.api, {}), (answer) => answer.ask(body), mine);
    this.app.api.remember({ asked: undefined });
  }

  /**
   * Show one answer from its first word to its end.
   * @param {Answer} answer
   * @param {(answer: Answer) => Promise<import("./answer.js").Frame>} read
   * @param {Bubble} [question]
   */
  async #read(answer, read, question) {
    const { panel, talk, words } = this.app;
    const escalated = this.app.conversation?.status === "escalated";
    const bubble = talk.open({ sender: escalated ? "system" : "bot" });
    if (escalated) bubble.element.hidden = true;
    else bubble.think();
    this.answer = answer;
    panel.working(true);
    answer.listener = {
      started: (conversation, id) => this.#started(conversation, id, question),
      text: (text) => panel.keep(() => bubble.say(text, true)),
      waiting: (waiting) => (waiting && navigator.onLine ? panel.tell(words.again) : this.app.network()),
    };
    try {
      this.#ended(bubble, await read(answer));
    } catch (error) {
      this.#failed(bubble, question, answer, /** @type {Refused} */ (error));
    } finally {
      if (this.answer === answer) {
        this.answer = null;
        panel.working(false);
      }
    }
  }

  /** @param {string} id of the conversation @param {string} answer @param {Bubble} [question] */
  #started(id, answer, question) {
    const { api, conversation, panel } = this.app;
    if (question?.element.classList.replace("sending", "sent")) {
      api.remember({ asked: undefined });
      panel.keep(() => question.stamp());
    }
    this.answers.add(answer);
    if (id && id !== conversation?.id) this.app.stands({ ...conversation, id, status: conversation?.status ?? "open" });
  }

  /** @param {Bubble} bubble @param {import("./answer.js").Frame} end */
  #ended(bubble, end) {
    const { panel, talk, words } = this.app;
    const reason = end.finishReason;
    if (reason === "escalated") {
      bubble.element.hidden = !bubble.text;
      bubble.notice();
      if (this.app.conversation?.status !== "escalated") this.app.stands({ ...this.app.conversation, status: "escalated" });
    }
    if (reason === "error" && !bubble.text) bubble.say(end.error?.message || words.failed);
    if (!bubble.text) bubble.element.hidden = true;
    panel.keep(() => {
      if (reason !== "escalated") bubble.finish({ id: end.messageId, sources: end.sources, stopped: reason === "stopped", rated: reason !== "error" });
      if (reason === "no_answer" || reason === "error") this.#offer();
    });
    if (end.messageId) talk.bubbles.set(end.messageId, bubble);
    panel.announce(bubble.body.textContent ?? "");
    this.app.page.emit("message", { id: end.messageId, sender: bubble.sender, text: bubble.text });
    if (this.app.shown) this.app.seen();
  }

  /** Offer a person below what the bot could not do. */
  #offer() {
    const { conversation, panel, people, words } = this.app;
    if (!panel.human || conversation?.status === "escalated") return;
    const chip = h("button", { class: "chip", type: "button", onclick: () => people.call() }, icon("person"), words.human);
    panel.log.append(h("div", { class: "chips offer" }, chip));
  }

  /** @param {Bubble} bubble @param {Bubble | undefined} question @param {Answer} answer @param {Refused} error */
  #failed(bubble, question, answer, error) {
    const { panel, talk, words } = this.app;
    if (!bubble.text) talk.remove(bubble);
    if (answer.gone.signal.aborted) return;
    if (answer.id) {
      const again = () => (panel.tell(), this.app.load().catch(() => this.#failed(bubble, question, answer, error)));
      panel.tell(words.failed, { bad: true, act: again });
      return;
    }
    talk.remove(question); // it was never taken: back into the field with it
    if (!panel.field.value) panel.write(question?.text ?? "");
    if (error.status === 429 && error.retryAfter < LONGEST_COUNT) this.#slow(error.retryAfter || 10);
    else panel.tell(this.app.why(error), { bad: true });
    panel.announce(panel.notice.textContent ?? "");
  }

  /** Count the seconds down until one may write again. @param {number} seconds */
  #slow(seconds) {
    const { panel, words } = this.app;
    const until = Date.now() + seconds * 1000;
    panel.blocked = true;
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left > 0) {
        panel.tell(fill(words.slow, { n: left }));
        setTimeout(tick, 500);
        return;
      }
      panel.blocked = false;
      panel.tell();
      panel.write(panel.field.value);
    };
    tick();
  }
}
