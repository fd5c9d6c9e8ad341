// Who else is there: calling a person, what they write, that they are typing.

import { h } from "./dom.js";
import { chime } from "./extras.js";
import { dots, face } from "./message.js";
import { fill } from "./text.js";

/** @typedef {import("./message.js").Message} Message */

const TYPING_SHOWN = 5_000; // ms
const TYPING_TOLD = 3_000; // ms

export class People {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.agent = ""; // the person who replies
    this.told = 0; // when the other side was told that we are typing
    this.timer = 0;
  }

  /** What people said in a conversation until now. @param {Message[]} messages */
  were(messages) {
    const said = messages.filter((message) => message.sender === "admin");
    this.agent = said.length ? this.#name(said[said.length - 1]) : "";
    const { seenAt = "" } = this.app.api.memory;
    if (!this.app.shown) this.app.count(said.filter((one) => (one.createdAt ?? "") > seenAt).length);
  }

  /** @param {{author?: string | null}} message */
  #name({ author }) {
    return author || this.app.words.team;
  }

  /** Ask for a person. @returns {Promise<void>} */
  async call() {
    const { api, conversation, panel, talk, words } = this.app;
    talk.clearOffers();
    if (!conversation) return this.app.asking.send(words.human);
    try {
      this.app.stands(await api.post(`/api/conversations/${conversation.id}/escalate`));
      await this.#missing();
    } catch (error) {
      if (/** @type {any} */ (error).status !== 409) panel.tell(this.app.why(error), { bad: true, act: () => this.call() });
    }
    panel.field.focus();
  }

  /** Add what the server has and we don't. */
  async #missing() {
    if (!this.app.api.memory.visitorId) return; // who they are is just changing: all begins anew
    for (const message of await this.app.talk.missed()) this.#arrived(message);
  }

  /** @param {string} event @param {any} data */
  happened(event, data) {
    if (event === "message") this.#arrived(data);
    else if (event === "status") {
      if (data.status !== "escalated") this.agent = "";
      this.app.stands(data);
    } else if (event === "typing" && data.sender === "admin") this.#types(this.#name(data));
    else if (event === "reset") this.#missing().catch(() => {});
  }

  /** @param {Message} message */
  #arrived(message) {
    const { talk, asking } = this.app;
    if (message.sender === "admin") {
      this.agent = this.#name(message);
      if (this.app.conversation?.status === "escalated") this.app.state();
    }
    const known = talk.bubbles.get(message.id);
    if (known) return known.mark(message.feedback?.rating ?? "");
    if (message.answerId && asking.answers.has(message.answerId)) return;
    const mine = message.sender === "visitor" && talk.all.find((one) => one.sender === "visitor" && !one.id && one.text === message.text);
    if (mine) {
      mine.id = message.id;
      talk.bubbles.set(message.id, mine);
      return;
    }
    this.#quiet();
    talk.add(message);
    if (message.sender === "system") this.app.state();
    if (message.sender !== "visitor") this.#tell(message);
  }

  /** @param {Message} message */
  #tell(message) {
    const { api, page, panel } = this.app;
    panel.announce(`${message.author ?? ""} ${message.text}`.trim());
    page.emit("message", { id: message.id, sender: message.sender, text: message.text });
    if (this.app.shown && !document.hidden) this.app.seen();
    else this.app.count(this.app.unread + 1);
    if (api.memory.sound && message.sender === "admin") chime();
  }

  /** @param {string} name */
  #types(name) {
    this.#quiet();
    const { panel, words } = this.app;
    const label = fill(words.typing, { name });
    this.dots = h("div", { class: "message admin typing" }, face(name), h("span", { class: "author" }, h("b", {}, name)), h("div", { class: "bubble" }, dots(label)));
    panel.keep(() => panel.log.append(/** @type {Node} */ (this.dots)));
    this.timer = setTimeout(() => this.#quiet(), TYPING_SHOWN);
  }

  #quiet() {
    clearTimeout(this.timer);
    this.dots?.remove();
  }

  /** Tell the other side that we write, now and then. */
  typing() {
    const { api, conversation } = this.app;
    if (conversation?.status !== "escalated" || Date.now() - this.told < TYPING_TOLD) return;
    this.told = Date.now();
    api.post(`/api/conversations/${conversation.id}/typing`).catch(() => {});
  }
}
