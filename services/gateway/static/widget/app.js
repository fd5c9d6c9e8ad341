// The conversation: what is known of it, what is being answered, and what people write.

import { Answer } from "./answer.js";
import { Refused } from "./api.js";
import { adopt, h, icon } from "./dom.js";
import { Live } from "./live.js";
import { Bubble, day, dots, face } from "./message.js";
import { Panel } from "./panel.js";
import { chime, save } from "./extras.js";
import { STYLE } from "./style.js";
import { fill } from "./text.js";

/**
 * @typedef {{api: import("./api.js").Api, shadow: ShadowRoot, style: string, root: HTMLElement,
 *   text: import("./text.js").Text, close: () => void, emit: (name: any, detail: any) => void,
 *   unread: (count: number) => void}} Page
 */

const TYPING_SHOWN = 5_000; // ms
const TYPING_TOLD = 3_000; // ms
const STILL_MEANT = 600_000; // ms after which a question that was cut off is not asked again
const LONGEST_COUNT = 900; // seconds worth counting down; beyond it is a budget that is used up
const MOST_PAGES = 10; // of 100 messages

export class App {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.api = page.api;
    this.words = page.text;
    this.shown = false;
    this.unread = 0;
    this.told = 0; // when the other side was told that we are typing
    /** @type {any} */
    this.conversation = null;
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {Map<string, Bubble>} by message id */
    this.bubbles = new Map();
    /** @type {Bubble[]} in order */
    this.all = [];
    /** @type {Set<string>} answers that this page shows */
    this.answers = new Set();
    this.live = new Live(this.api, (event, data) => this.#happened(event, data));
    adopt(page.shadow, page.style, STYLE);
    this.agent = ""; // the person who replies
    const { name, appearance } = this.api.memory.chatbot;
    /** @type {import("./message.js").Frame} */
    this.frame = { words: this.words, language: page.root.lang, name, logo: appearance.logoUrl };
    this.typing = 0;
    /** @type {Panel} */
    this.panel = new Panel(this.api.memory.chatbot, this.words, {
      send: (text) => this.send(text),
      stop: () => this.answer?.stop().catch(() => {}),
      close: page.close,
      fresh: () => this.fresh(),
      save: () => save(this.api.memory.chatbot.name, this.all, this.words),
      human: () => this.human(),
      sound: () => this.#sound(!this.api.memory.sound),
      typing: () => this.#typing(),
    });
    this.panel.element.hidden = true;
    page.root.prepend(this.panel.element);
    this.#sound(!!this.api.memory.sound);
    this.panel.write(this.api.memory.draft ?? "");
    addEventListener("pagehide", () => this.api.remember({ draft: this.panel.field.value }));
    addEventListener("offline", () => this.#network());
    addEventListener("online", () => this.#network());
    addEventListener("storage", (event) => event.key === this.api.key && this.#elsewhere());
    document.addEventListener("visibilitychange", () => this.#watch());
    /** What was said before is there. @type {Promise<void>} */
    this.ready = this.begin();
  }

  /** Show what the session has; never fails, but says that it did. @returns {Promise<void>} */
  async begin() {
    const { conversation, left } = this.api.memory;
    this.conversation = conversation && conversation.id !== left ? conversation : null;
    try {
      await this.load();
      this.#state();
      this.#resume();
    } catch (error) {
      if (/** @type {Refused} */ (error).status === 404) return this.fresh(); // it was deleted meanwhile
      const again = () => (this.panel.tell(), (this.ready = this.begin()));
      this.panel.tell(this.#why(error), { bad: true, act: again });
    }
  }

  /** Ask again what a reload cut off before it was known to be taken; the server takes it once. */
  #resume() {
    const { body, at } = this.api.memory.asked ?? { body: null, at: 0 };
    if (!body || this.answer) return;
    const taken = this.all.some((one) => one.sender === "visitor" && one.text === body.message && Date.parse(one.createdAt) > at - 60_000);
    if (taken || Date.now() - at > STILL_MEANT) return this.api.remember({ asked: undefined });
    this.suggestions?.remove();
    this.#ask(body);
  }

  /** The session is another one: begin anew with what it has. */
  async reload() {
    this.answer?.gone.abort();
    this.live.stop();
    await (this.ready = this.begin());
  }

  /** Another tab of this site went on. */
  #elsewhere() {
    const { seenAt = "" } = this.api.memory;
    this.api.recall();
    const { conversation, left, seenAt: seen = "" } = this.api.memory;
    const there = conversation && conversation.id !== left ? conversation.id : undefined;
    if (seen > seenAt) this.#count(0);
    if (!this.answer && there !== this.conversation?.id) this.ready = this.ready.then(() => this.begin());
  }

  /** What a visitor can make of an error: what it says is meant for who runs the site. @param {any} error */
  #why({ status }) {
    if (status === 0 && !navigator.onLine) return this.words.offline;
    return [403, 404, 429].includes(status) ? this.words.unavailable : this.words.failed;
  }

  // -- seen or not -----------------------------------------------------------------------------

  /** @param {boolean} focus */
  show(focus) {
    this.shown = true;
    this.panel.element.hidden = false;
    this.page.root.classList.add("shown");
    this.#seen();
    this.#watch();
    this.panel.keep(() => {}, true);
    if (focus) this.panel.field.focus();
  }

  hide() {
    this.shown = false;
    this.panel.toggleMenu(false);
    this.panel.element.hidden = true;
    this.page.root.classList.remove("shown");
    this.#watch();
  }

  #seen() {
    this.#count(0);
    this.api.remember({ seenAt: new Date().toISOString() });
  }

  /** @param {number} unread */
  #count(unread) {
    if (unread === this.unread) return;
    this.unread = unread;
    this.page.unread(unread);
    this.page.emit("unread", { count: unread });
  }

  /** Follow the conversation while someone looks, and always while a person may reply. */
  #watch() {
    const wanted = this.conversation && (this.conversation.status === "escalated" || (this.shown && !document.hidden));
    if (wanted) this.live.follow(this.conversation.id);
    else this.live.stop();
  }

  // -- the conversation ------------------------------------------------------------------------

  /** Show the conversation as the server has it. */
  async load() {
    this.bubbles.clear();
    this.answers.clear();
    this.all = [];
    const { chatbot, seenAt = "" } = this.api.memory;
    const greeting = new Bubble({ sender: "bot", text: chatbot.greeting }, this.frame);
    this.panel.log.replaceChildren(greeting.element);
    this.#state();
    const messages = this.conversation ? await this.#messages() : [];
    if (!messages.length) this.#suggest();
    for (const message of messages) this.#add(message);
    const people = messages.filter((message) => message.sender === "admin");
    this.agent = people.length ? people[people.length - 1].author || this.words.team : "";
    this.#state();
    if (!this.shown) this.#count(people.filter((m) => (m.createdAt ?? "") > seenAt).length);
    const running = messages.filter((message) => message.status === "answering").pop()?.answerId;
    if (running) {
      this.answers.add(running);
      this.#answered(new Answer(this.api, {}), (answer) => answer.resume(running));
    }
    this.panel.keep(() => {}, true);
    this.#watch();
  }

  /** @returns {Promise<import("./message.js").Message[]>} */
  async #messages() {
    /** @type {import("./message.js").Message[]} */
    const found = [];
    let cursor = "";
    for (let page = 0; page < MOST_PAGES; page++) {
      const part = await this.api.get(`/api/conversations/${this.conversation.id}/messages?limit=100${cursor}`);
      found.push(...part.data);
      if (!part.pagination.hasMore) break;
      cursor = `&cursor=${encodeURIComponent(part.pagination.cursor)}`;
    }
    return found;
  }

  #suggest() {
    const questions = this.api.memory.chatbot.appearance.suggestedQuestions;
    if (!questions.length) return;
    const chips = questions.map((/** @type {string} */ text) =>
      h("button", { class: "chip", type: "button", dir: "auto", onclick: () => this.send(text) }, text),
    );
    this.suggestions = h("div", { class: "chips" }, ...chips);
    this.panel.log.append(this.suggestions);
  }

  /** @param {import("./message.js").Message} message */
  #add(message) {
    this.suggestions?.remove();
    const bubble = this.#bubble(message);
    if (message.sender === "bot") {
      bubble.finish({ sources: message.sources, rating: message.feedback?.rating, stopped: message.status === "stopped", rated: message.status !== "error" });
    }
    else if (message.sender !== "system") this.panel.keep(() => bubble.stamp());
    if (message.id) this.bubbles.set(message.id, bubble);
  }

  /** @param {Partial<import("./message.js").Message> & {sender: string}} message */
  #bubble(message) {
    const bubble = new Bubble(message, this.frame, (...about) => this.#rate(...about));
    const before = this.all[this.all.length - 1];
    if (before) bubble.follow(before);
    const date = new Date(bubble.createdAt).toDateString();
    const another = date !== new Date(before?.createdAt ?? Date.now()).toDateString();
    this.all.push(bubble);
    this.panel.keep(() => this.panel.log.append(another ? day(bubble.createdAt, this.frame.language) : "", bubble.element), message.sender !== "bot");
    return bubble;
  }

  /** @returns {void} */
  fresh() {
    this.answer?.gone.abort();
    this.live.stop();
    if (this.conversation) this.api.remember({ left: this.conversation.id, conversation: null });
    this.conversation = null;
    this.panel.tell();
    this.agent = "";
    this.load();
    if (this.shown) this.panel.field.focus();
  }

  // -- asking ----------------------------------------------------------------------------------

  /** @param {string} text @returns {Promise<void>} */
  async send(text) {
    await this.ready;
    const message = text.trim().slice(0, 8000);
    if (!message) return;
    if (this.answer) return this.panel.write(message); // one thing after the other
    this.suggestions?.remove();
    this.#clear();
    const body = {
      message,
      conversationId: this.conversation?.id,
      language: this.page.root.lang,
      clientMessageId: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`,
      metadata: { page: location.href.slice(0, 500) },
    };
    this.api.remember({ asked: { body, at: Date.now() } });
    await this.#ask(body);
  }

  /** @param {any} body */
  async #ask(body) {
    const mine = this.#bubble({ sender: "visitor", text: body.message });
    mine.element.classList.add("sending");
    mine.element.classList.toggle("held", !navigator.onLine);
    await this.#answered(new Answer(this.api, {}), (answer) => answer.ask(body), mine);
    this.api.remember({ asked: undefined });
  }

  /** What was offered and not taken goes when the conversation goes on. */
  #clear() {
    for (const offer of this.panel.element.querySelectorAll(".offer, form.why")) offer.remove();
  }

  /**
   * Show one answer from its first word to its end.
   * @param {Answer} answer
   * @param {(answer: Answer) => Promise<import("./answer.js").Frame>} read
   * @param {Bubble} [question]
   */
  async #answered(answer, read, question) {
    const escalated = this.conversation?.status === "escalated";
    const bubble = this.#bubble({ sender: escalated ? "system" : "bot" });
    if (escalated) bubble.element.hidden = true;
    else bubble.think();
    this.answer = answer;
    this.panel.working(true);
    answer.listener = {
      started: (conversation, id) => {
        if (question?.element.classList.replace("sending", "sent")) {
          this.api.remember({ asked: undefined });
          this.panel.keep(() => question.stamp());
        }
        this.answers.add(id);
        if (conversation && conversation !== this.conversation?.id) this.#stands({ ...this.conversation, id: conversation, status: this.conversation?.status ?? "open" });
      },
      text: (text) => this.panel.keep(() => bubble.say(text, true)),
      waiting: (waiting) => (waiting && navigator.onLine ? this.panel.tell(this.words.again) : this.#network()),
    };
    try {
      this.#ended(bubble, await read(answer));
    } catch (error) {
      this.#failed(bubble, question, answer, /** @type {Refused} */ (error));
    } finally {
      if (this.answer === answer) {
        this.answer = null;
        this.panel.working(false);
      }
    }
  }

  /** @param {Bubble} bubble @param {import("./answer.js").Frame} end */
  #ended(bubble, end) {
    const reason = end.finishReason;
    if (reason === "escalated") {
      bubble.element.hidden = !bubble.text;
      bubble.notice();
      if (this.conversation?.status !== "escalated") this.#stands({ ...this.conversation, status: "escalated" });
    }
    if (reason === "error" && !bubble.text) bubble.say(end.error?.message || this.words.failed);
    if (!bubble.text) bubble.element.hidden = true;
    this.panel.keep(() => {
      if (reason !== "escalated") bubble.finish({ id: end.messageId, sources: end.sources, stopped: reason === "stopped", rated: reason !== "error" });
      if (reason === "no_answer" || reason === "error") this.#offer();
    });
    if (end.messageId) this.bubbles.set(end.messageId, bubble);
    this.panel.announce(bubble.body.textContent ?? "");
    this.page.emit("message", { id: end.messageId, sender: bubble.sender, text: bubble.text });
    if (this.shown) this.#seen();
  }

  /** @param {Bubble} bubble @param {Bubble | undefined} question @param {Answer} answer @param {Refused} error */
  #failed(bubble, question, answer, error) {
    const left = answer.gone.signal.aborted;
    if (!bubble.text) {
      bubble.element.remove();
      this.all = this.all.filter((one) => one !== bubble);
    }
    if (left) return;
    if (answer.id) {
      const again = () => (this.panel.tell(), this.load().catch(() => this.#failed(bubble, question, answer, error)));
      this.panel.tell(this.words.failed, { bad: true, act: again });
      return;
    }
    // It was never taken: back into the field with it.
    question?.element.remove();
    this.all = this.all.filter((one) => one !== question);
    if (!this.panel.field.value) this.panel.write(question?.text ?? "");
    if (error.status === 429 && error.retryAfter < LONGEST_COUNT) this.#slow(error.retryAfter || 10);
    else this.panel.tell(this.#why(error), { bad: true });
    this.panel.announce(this.panel.notice.textContent ?? "");
  }

  /** Count the seconds down until one may write again. @param {number} seconds */
  #slow(seconds) {
    const until = Date.now() + seconds * 1000;
    this.panel.blocked = true;
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left > 0) {
        this.panel.tell(fill(this.words.slow, { n: left }));
        setTimeout(tick, 500);
      } else {
        this.panel.blocked = false;
        this.panel.tell();
        this.panel.write(this.panel.field.value);
      }
    };
    tick();
  }

  #network() {
    if (!navigator.onLine) this.panel.tell(this.words.offline);
    else if (!this.panel.blocked) this.panel.tell();
  }

  // -- people ----------------------------------------------------------------------------------

  /** Offer a person below what the bot could not do. */
  #offer() {
    if (!this.panel.human || this.conversation?.status === "escalated") return;
    const chip = h("button", { class: "chip", type: "button", onclick: () => this.human() }, icon("person"), this.words.human);
    this.panel.log.append(h("div", { class: "chips offer" }, chip));
  }

  /** @returns {Promise<void>} */
  async human() {
    this.#clear();
    if (!this.conversation) return this.send(this.words.human);
    try {
      this.#stands(await this.api.post(`/api/conversations/${this.conversation.id}/escalate`));
      await this.#missing();
    } catch (error) {
      if (/** @type {Refused} */ (error).status !== 409) this.panel.tell(this.#why(error), { bad: true, act: () => this.human() });
    }
    this.panel.field.focus();
  }

  /** Add what the server has and we don't. */
  async #missing() {
    if (!this.api.memory.visitorId) return; // who they are is just changing: all begins anew
    for (const message of await this.#messages()) this.#arrived(message);
  }

  /** @param {any} conversation */
  #stands(conversation) {
    const before = this.conversation?.status;
    this.conversation = conversation;
    this.api.remember({ conversation, left: undefined });
    if (conversation.status === "escalated" && before !== "escalated") this.page.emit("escalated", { conversationId: conversation.id });
    this.#state();
    this.#watch();
  }

  #state() {
    const { chatbot } = this.api.memory;
    const status = this.conversation?.status;
    const closed = status === "escalated" && !chatbot.open ? chatbot.outOfHoursMessage : "";
    this.panel.state.textContent = status === "escalated" ? this.agent || this.words.waiting : this.words.ai;
    this.panel.element.dataset.status = status ?? "none";
    if (status === "resolved") this.panel.tell(this.words.resolved);
    else if (closed && !this.agent) this.panel.tell(closed);
    else this.#network();
    if (this.panel.human?.parentElement) this.panel.human.parentElement.hidden = status === "escalated";
  }

  /** @param {string} event @param {any} data */
  #happened(event, data) {
    if (event === "message") this.#arrived(data);
    else if (event === "status") {
      if (data.status !== "escalated") this.agent = "";
      this.#stands(data);
    } else if (event === "typing" && data.sender === "admin") this.#types(data.author || this.words.team);
    else if (event === "reset") this.#missing().catch(() => {});
  }

  /** @param {import("./message.js").Message} message */
  #arrived(message) {
    if (message.sender === "admin") {
      this.agent = message.author || this.words.team;
      if (this.conversation?.status === "escalated") this.#state();
    }
    const known = this.bubbles.get(message.id);
    if (known) return known.mark(message.feedback?.rating ?? "");
    if (message.answerId && this.answers.has(message.answerId)) return;
    const mine = message.sender === "visitor" && this.all.find((one) => one.sender === "visitor" && !one.id && one.text === message.text);
    if (mine) {
      mine.id = message.id;
      this.bubbles.set(message.id, mine);
      return;
    }
    this.#types("", false);
    this.#add(message);
    if (message.sender === "visitor") return;
    this.panel.announce(`${message.author ?? ""} ${message.text}`.trim());
    this.page.emit("message", { id: message.id, sender: message.sender, text: message.text });
    if (this.shown && !document.hidden) this.#seen();
    else this.#count(this.unread + 1);
    if (this.api.memory.sound && message.sender === "admin") chime();
  }

  /** @param {string} name @param {boolean} [on] */
  #types(name, on = true) {
    clearTimeout(this.typing);
    this.dots?.remove();
    if (!on) return;
    const who = name || this.words.team;
    const label = fill(this.words.typing, { name: who });
    this.dots = h("div", { class: "message admin typing" }, face(who), h("span", { class: "author" }, h("b", {}, who)), h("div", { class: "bubble" }, dots(label)));
    this.panel.keep(() => this.panel.log.append(/** @type {Node} */ (this.dots)));
    this.typing = setTimeout(() => this.#types("", false), TYPING_SHOWN);
  }

  #typing() {
    if (this.conversation?.status !== "escalated" || Date.now() - this.told < TYPING_TOLD) return;
    this.told = Date.now();
    this.api.post(`/api/conversations/${this.conversation.id}/typing`).catch(() => {});
  }

  /** @param {Bubble} bubble @param {string} rating @param {string} [comment] */
  async #rate(bubble, rating, comment) {
    await this.api.post(`/api/conversations/${this.conversation.id}/feedback`, { messageId: bubble.id, rating, comment });
    this.panel.announce(this.words.thanks);
  }

  /** @param {boolean} on */
  #sound(on) {
    this.api.remember({ sound: on });
    this.panel.sound?.setAttribute("aria-pressed", String(on));
  }
}
