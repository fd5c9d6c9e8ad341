// What was said, as it is seen: the end of it at once, what came before when it is asked for.

import { h, icon } from "./dom.js";
import { Bubble, day } from "./message.js";

/** @typedef {import("./message.js").Message} Message */

const PAGE = 100; // messages
const MOST_MISSED = 10; // pages that are read to find out what was missed
const LONGEST = 100; // pages of a transcript

export class Talk {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    /** @type {Map<string, Bubble>} by message id */
    this.bubbles = new Map();
    /** @type {Bubble[]} in order */
    this.all = [];
    this.cursor = ""; // of what came before
    const { name, appearance } = app.api.memory.chatbot;
    /** @type {import("./message.js").Frame} */
    this.frame = { words: app.words, language: app.page.root.lang, name, logo: appearance.logoUrl };
    this.before = h("button", { class: "chip before", type: "button", onclick: () => this.#earlier() }, icon("down", "flip"), app.words.earlier);
  }

  /** Nothing but the greeting. */
  clear() {
    this.bubbles.clear();
    this.all = [];
    this.cursor = "";
    const { chatbot } = this.app.api.memory;
    this.app.panel.log.replaceChildren(new Bubble({ sender: "bot", text: chatbot.greeting }, this.frame).element);
  }

  /** A page of messages, oldest first. @param {string} cursor @returns {Promise<{messages: Message[], cursor: string}>} */
  async #page(cursor) {
    const more = cursor && `&cursor=${encodeURIComponent(cursor)}`;
    const part = await this.app.api.get(`/api/conversations/${this.app.conversation.id}/messages?order=newest&limit=${PAGE}${more}`);
    return { messages: part.data.reverse(), cursor: part.pagination.hasMore ? part.pagination.cursor : "" };
  }

  /** The last messages, oldest first. */
  async latest() {
    const { messages, cursor } = await this.#page("");
    this.cursor = cursor;
    return messages;
  }

  /** The messages since the last one that is shown. @returns {Promise<Message[]>} */
  async missed() {
    /** @type {Message[]} */
    let found = [];
    let at = "";
    for (let n = 0; n < MOST_MISSED; n++) {
      const { messages, cursor } = await this.#page(at);
      found = [...messages, ...found];
      at = cursor;
      if (!at || messages.some(({ id }) => this.bubbles.has(id))) break;
    }
    return found;
  }

  /** All of it, oldest first. @returns {Promise<import("./extras.js").Said[]>} */
  async whole() {
    /** @type {Message[]} */
    let earlier = [];
    let at = this.cursor;
    for (let n = 0; at && n < LONGEST; n++) {
      const { messages, cursor } = await this.#page(at);
      earlier = [...messages, ...earlier];
      at = cursor;
    }
    return [...earlier, ...this.all];
  }

  /** Show what was said until now. @param {Message[]} messages */
  begin(messages) {
    const { log } = this.app.panel;
    if (this.cursor) log.replaceChildren(this.before); // the greeting is further up
    if (!messages.length) this.#suggest();
    this.app.panel.keep(() => messages.forEach((message) => this.#put(message)), true);
  }

  #suggest() {
    const questions = this.app.api.memory.chatbot.appearance.suggestedQuestions;
    if (!questions.length) return;
    const chips = questions.map((/** @type {string} */ text) =>
      h("button", { class: "chip", type: "button", dir: "auto", onclick: () => this.app.asking.send(text) }, text),
    );
    this.app.panel.log.append(h("div", { class: "chips suggested" }, ...chips));
  }

  /** What was offered and not taken goes when the conversation goes on. */
  clearOffers() {
    for (const offer of this.app.panel.element.querySelectorAll(".suggested, .offer, form.why")) offer.remove();
  }

  /** Add a message that is whole. @param {Message} message */
  add(message) {
    this.app.panel.element.querySelector(".suggested")?.remove();
    this.app.panel.keep(() => this.#put(message), message.sender !== "bot");
  }

  /** @param {Message} message */
  #put(message) {
    const bubble = this.#bubble(message);
    this.#append(bubble);
    if (message.id) this.bubbles.set(message.id, bubble);
  }

  /** Add one that is still to be filled. @param {Partial<Message> & {sender: string}} message */
  open(message) {
    const bubble = new Bubble(message, this.frame, this.#rate);
    this.app.panel.keep(() => this.#append(bubble), message.sender !== "bot");
    return bubble;
  }

  /** @param {Message} message */
  #bubble(message) {
    const bubble = new Bubble(message, this.frame, this.#rate);
    if (message.sender === "bot") {
      bubble.finish({ sources: message.sources, rating: message.feedback?.rating, stopped: message.status === "stopped", rated: message.status !== "error" });
    } else if (message.sender !== "system") bubble.stamp();
    return bubble;
  }

  /** @param {Bubble} bubble */
  #append(bubble) {
    this.app.panel.log.append(...this.#after(bubble, this.all[this.all.length - 1]));
    this.all.push(bubble);
  }

  /** A bubble below another one, and the day when it is another one. @param {Bubble} bubble @param {Bubble | undefined} before */
  #after(bubble, before) {
    if (before) bubble.follow(before);
    const date = new Date(bubble.createdAt).toDateString();
    const another = date !== new Date(before?.createdAt ?? Date.now()).toDateString();
    bubble.day?.remove();
    bubble.day = another ? day(bubble.createdAt, this.frame.language) : undefined;
    return bubble.day ? [bubble.day, bubble.element] : [bubble.element];
  }

  /** Show what came before; what is looked at stays where it is. */
  async #earlier() {
    const { panel } = this.app;
    if (!this.cursor) return; // another conversation meanwhile
    this.before.disabled = true;
    try {
      const { messages, cursor } = await this.#page(this.cursor);
      this.cursor = cursor;
      const fromEnd = panel.log.scrollHeight - panel.log.scrollTop;
      this.#prepend(messages);
      panel.log.scrollTop = panel.log.scrollHeight - fromEnd;
      panel.log.focus();
    } catch (error) {
      panel.tell(this.app.why(error), { bad: true, act: () => (panel.tell(), this.#earlier()) });
    } finally {
      this.before.disabled = false;
    }
  }

  /** @param {Message[]} messages */
  #prepend(messages) {
    const [first] = this.all;
    /** @type {Bubble[]} */
    const fresh = [];
    /** @type {HTMLElement[]} */
    const nodes = [];
    for (const message of messages) {
      const bubble = this.#bubble(message);
      nodes.push(...this.#after(bubble, fresh[fresh.length - 1]));
      fresh.push(bubble);
      this.bubbles.set(message.id, bubble);
    }
    this.before.after(...nodes);
    if (first) first.element.before(...this.#after(first, fresh[fresh.length - 1]).slice(0, -1));
    this.all = [...fresh, ...this.all];
    if (!this.cursor) this.before.remove();
  }

  /** Whether a notice is there to be read already. @param {string} text */
  says(text) {
    return this.all.some((one) => one.sender === "system" && one.text === text);
  }

  /** @param {Bubble | undefined} bubble */
  remove(bubble) {
    bubble?.element.remove();
    bubble?.day?.remove();
    this.all = this.all.filter((one) => one !== bubble);
  }

  /** @param {Bubble} bubble @param {string} rating @param {string} [comment] */
  #rate = async (bubble, rating, comment) => {
    const { api, conversation, panel, words } = this.app;
    await api.post(`/api/conversations/${conversation.id}/feedback`, { messageId: bubble.id, rating, comment });
    panel.announce(words.thanks);
  };
}
