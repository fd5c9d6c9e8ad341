// The conversation: begun, shown and hidden, left for a new one. What was said is in talk.js, what
// is being answered in asking.js, who else is there in people.js.

import { Asking } from "./asking.js";
import { adopt } from "./dom.js";
import { save } from "./extras.js";
import { Live } from "./live.js";
import { Panel } from "./panel.js";
import { People } from "./people.js";
import { STYLE } from "./style.js";
import { Talk } from "./talk.js";

/**
 * @typedef {{api: import("./api.js").Api, shadow: ShadowRoot, style: string, root: HTMLElement,
 *   text: import("./text.js").Text, close: () => void, emit: (name: any, detail: any) => void,
 *   unread: (count: number) => void}} Page
 */

export class App {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.api = page.api;
    this.words = page.text;
    this.shown = false;
    this.unread = 0;
    /** @type {any} */
    this.conversation = null;
    this.asking = new Asking(this);
    this.people = new People(this);
    this.live = new Live(this.api, (event, data) => this.people.happened(event, data));
    this.panel = this.#panel();
    this.talk = new Talk(this);
    adopt(page.shadow, page.style, STYLE);
    page.root.prepend(this.panel.element);
    this.#sound(!!this.api.memory.sound);
    this.panel.write(this.api.memory.draft ?? "");
    this.#listen();
    /** What was said before is there. @type {Promise<void>} */
    this.ready = this.begin();
  }

  #panel() {
    const { chatbot } = this.api.memory;
    const panel = new Panel(chatbot, this.words, {
      send: (text) => this.asking.send(text),
      stop: () => this.asking.stop(),
      close: this.page.close,
      fresh: () => this.fresh(),
      save: () => this.#save(),
      human: () => this.people.call(),
      sound: () => this.#sound(!this.api.memory.sound),
      typing: () => this.people.typing(),
    });
    panel.element.hidden = true;
    return panel;
  }

  #listen() {
    addEventListener("pagehide", () => this.api.remember({ draft: this.panel.field.value }));
    addEventListener("offline", () => this.network());
    addEventListener("online", () => this.network());
    addEventListener("storage", (event) => event.key === this.api.key && this.#elsewhere());
    document.addEventListener("visibilitychange", () => this.watch());
  }

  // -- which conversation ------------------------------------------------------------------------

  /** Show what the session has; never fails, but says that it did. @returns {Promise<void>} */
  async begin() {
    this.conversation = this.#remembered();
    try {
      await this.load();
      this.asking.resume();
    } catch (error) {
      if (/** @type {any} */ (error).status === 404) return this.fresh(); // it was deleted meanwhile
      const again = () => (this.panel.tell(), (this.ready = this.begin()));
      this.panel.tell(this.why(error), { bad: true, act: again });
    }
  }

  #remembered() {
    const { conversation, left } = this.api.memory;
    return conversation && conversation.id !== left ? conversation : null;
  }

  /** Show the conversation as the server has it. */
  async load() {
    this.talk.clear();
    this.asking.answers.clear();
    this.state();
    const messages = this.conversation ? await this.talk.latest() : [];
    this.talk.begin(messages);
    this.people.were(messages);
    this.state();
    this.asking.follow(messages);
    this.panel.keep(() => {}, true);
    this.watch();
  }

  /** The session is another one: begin anew with what it has. */
  async reload() {
    this.asking.leave();
    this.live.stop();
    await (this.ready = this.begin());
  }

  /** Another tab of this site went on. */
  #elsewhere() {
    const { seenAt = "" } = this.api.memory;
    this.api.recall();
    const { seenAt: seen = "" } = this.api.memory;
    if (seen > seenAt) this.count(0);
    const other = this.#remembered()?.id !== this.conversation?.id;
    if (!this.asking.answer && other) this.ready = this.ready.then(() => this.begin());
  }

  /** @returns {void} */
  fresh() {
    this.asking.leave();
    this.live.stop();
    if (this.conversation) this.api.remember({ left: this.conversation.id, conversation: null });
    this.conversation = null;
    this.panel.tell();
    this.people.agent = "";
    this.load();
    if (this.shown) this.panel.field.focus();
  }

  /** The conversation is like this now. @param {any} conversation */
  stands(conversation) {
    const before = this.conversation?.status;
    this.conversation = conversation;
    this.api.remember({ conversation, left: undefined });
    if (conversation.status === "escalated" && before !== "escalated") this.page.emit("escalated", { conversationId: conversation.id });
    this.state();
    this.watch();
  }

  // -- seen or not -----------------------------------------------------------------------------

  /** @param {boolean} focus */
  show(focus) {
    this.shown = true;
    this.panel.element.hidden = false;
    this.panel.element.ariaModal = this.panel.covers ? "true" : null;
    this.page.root.classList.add("shown");
    this.seen();
    this.watch();
    this.panel.keep(() => {}, true);
    if (focus) this.panel.field.focus();
  }

  hide() {
    this.shown = false;
    this.panel.toggleMenu(false);
    this.panel.element.hidden = true;
    this.page.root.classList.remove("shown");
    this.watch();
  }

  seen() {
    this.count(0);
    this.api.remember({ seenAt: new Date().toISOString() });
  }

  /** @param {number} unread */
  count(unread) {
    if (unread === this.unread) return;
    this.unread = unread;
    this.page.unread(unread);
    this.page.emit("unread", { count: unread });
  }

  /** Follow the conversation while someone looks, and always while a person may reply. */
  watch() {
    const wanted = this.conversation && (this.conversation.status === "escalated" || (this.shown && !document.hidden));
    if (wanted) this.live.follow(this.conversation.id);
    else this.live.stop();
  }

  // -- what is said above and below ----------------------------------------------------------------

  state() {
    const { chatbot } = this.api.memory;
    const status = this.conversation?.status;
    const waits = status === "escalated";
    const { agent } = this.people;
    this.panel.state.textContent = waits ? agent || this.words.waiting : this.words.ai;
    this.panel.element.dataset.status = status ?? "none";
    if (status === "resolved") this.panel.tell(this.words.resolved);
    else if (waits && !agent && !chatbot.open && !this.talk.says(chatbot.outOfHoursMessage)) this.panel.tell(chatbot.outOfHoursMessage);
    else this.network();
    if (this.panel.human?.parentElement) this.panel.human.parentElement.hidden = waits;
  }

  network() {
    if (!navigator.onLine) this.panel.tell(this.words.offline);
    else if (!this.panel.blocked) this.panel.tell();
  }

  /** What a visitor can make of an error: what it says is meant for who runs the site. @param {any} error */
  why({ status }) {
    if (status === 0 && !navigator.onLine) return this.words.offline;
    return [403, 404, 429].includes(status) ? this.words.unavailable : this.words.failed;
  }

  async #save() {
    try {
      save(this.api.memory.chatbot.name, await this.talk.whole(), this.words);
    } catch (error) {
      this.panel.tell(this.why(error), { bad: true, act: () => (this.network(), this.#save()) });
    }
  }

  /** @param {boolean} on */
  #sound(on) {
    this.api.remember({ sound: on });
    this.panel.sound?.setAttribute("aria-pressed", String(on));
  }
}
