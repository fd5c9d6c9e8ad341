// The panel's frame: header and menu, the conversation, notices, the line one writes in.

import { h, icon } from "./dom.js";
import { face } from "./message.js";

/** @typedef {{send: (text: string) => void, stop: () => void, close: () => void, fresh: () => void, save: () => void, human: () => void, sound: () => void, typing: () => void}} Actions */

const NEAR = 60; // px from the end that count as being there

export class Panel {
  /** @param {any} chatbot @param {import("./text.js").Text} words @param {Actions} actions */
  constructor(chatbot, words, actions) {
    this.words = words;
    this.actions = actions;
    this.busy = false;
    this.blocked = false;
    this.state = h("p");
    this.log = h("div", { class: "log", role: "log", "aria-live": "off", "aria-label": words.log, tabindex: "0", onscroll: () => this.#scrolled() });
    this.down = h("button", { class: "latest", type: "button", "aria-label": words.latest, title: words.latest, hidden: true, onclick: () => this.keep(() => {}, true) }, icon("down"));
    this.spoken = h("div", { class: "hush", role: "status" });
    this.notice = h("div", { class: "notice", hidden: true });
    this.field = h("textarea", { rows: "1", maxlength: "8000", "aria-label": words.placeholder, placeholder: words.placeholder, oninput: () => this.#typed(), onkeydown: (/** @type {KeyboardEvent} */ e) => this.#key(e) });
    this.go = h("button", { class: "go", disabled: true });
    this.menu = this.#menu(chatbot.handoffEnabled);
    this.more = h("button", { class: "plain more", type: "button", "aria-label": words.menu, title: words.menu, "aria-expanded": "false", onclick: () => this.toggleMenu() }, icon("more", "dot"));
    this.form = h("form", { class: "compose", onsubmit: (/** @type {Event} */ e) => this.#submit(e) }, this.field, this.go);
    this.element = h(
      "section",
      { class: "panel", role: "dialog", "aria-label": chatbot.name, onkeydown: (/** @type {KeyboardEvent} */ e) => this.#keys(e) },
      h(
        "header",
        {},
        face(chatbot.name, chatbot.appearance.logoUrl),
        h("div", { class: "title" }, h("h2", {}, chatbot.name), this.state),
        this.more,
        h("button", { class: "plain leave", type: "button", "aria-label": words.close, title: words.close, onclick: actions.close }, icon("close")),
      ),
      this.menu,
      h("div", { class: "middle" }, this.log, this.down),
      this.notice,
      this.form,
      h("p", { class: "small" }, chatbot.aiDisclosure),
      this.spoken,
    );
    this.element.addEventListener("click", (event) => {
      if (!event.composedPath().includes(this.more)) this.toggleMenu(false);
    });
    this.working(false);
  }

  /** @param {boolean} handoff */
  #menu(handoff) {
    const { words, actions } = this;
    const item = (/** @type {any} */ name, /** @type {string} */ label, /** @type {() => void} */ act, more = {}) =>
      h("button", { type: "button", onclick: () => (this.toggleMenu(false), act()), ...more }, icon(name), label);
    this.sound = item("sound", words.sound, actions.sound, { "aria-pressed": "false" });
    this.human = handoff ? item("person", words.human, actions.human) : null;
    const items = [this.human, item("plus", words.fresh, actions.fresh), item("save", words.save, actions.save), this.sound];
    return h("ul", { class: "menu", hidden: true }, ...items.map((button) => button && h("li", {}, button)));
  }

  /** @param {boolean} [show] */
  toggleMenu(show = this.menu.hidden) {
    if (this.menu.hidden === !show) return;
    this.menu.hidden = !show;
    this.more.setAttribute("aria-expanded", String(show));
    if (show) this.menu.querySelector("button")?.focus();
    else if (this.menu.contains(/** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement)) this.more.focus();
  }

  /** Whether it covers the page, as on a phone. */
  get covers() {
    return this.element.clientWidth === innerWidth;
  }

  /** @param {KeyboardEvent} event */
  #keys(event) {
    event.stopPropagation(); // the page's shortcuts are not meant
    if (event.key === "Escape") {
      if (this.menu.hidden) this.actions.close();
      else {
        this.toggleMenu(false);
        this.more.focus();
      }
    }
    if (event.key === "Tab" && this.covers) this.#within(event);
  }

  /** Where the panel covers the page, focus stays within it. @param {KeyboardEvent} event */
  #within(event) {
    const all = [...this.element.querySelectorAll("button, a, input, textarea, summary, [tabindex]")].filter(
      (one) => one.getClientRects().length && !(/** @type {HTMLButtonElement} */ (one).disabled),
    );
    const at = /** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement;
    const [from, to] = event.shiftKey ? [all[0], all[all.length - 1]] : [all[all.length - 1], all[0]];
    if (at !== from) return;
    event.preventDefault();
    /** @type {HTMLElement} */ (to).focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit(event);
  }

  #typed() {
    this.#enable();
    this.actions.typing();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    if (this.busy) {
      if (event.type === "submit") this.actions.stop();
      return;
    }
    const text = this.field.value.trim();
    if (!text || this.blocked) return;
    this.write("");
    this.actions.send(text);
  }

  /** @param {string} text */
  write(text) {
    this.field.value = text;
    this.#enable();
  }

  #enable() {
    this.field.dir = this.field.value ? "auto" : ""; // the placeholder goes the panel's way
    this.go.disabled = !this.busy && (this.blocked || !this.field.value.trim());
  }

  /** Whether an answer is being written: the button stops it then. @param {boolean} busy */
  working(busy) {
    this.busy = busy;
    const label = busy ? this.words.stop : this.words.send;
    this.go.replaceChildren(icon(busy ? "stop" : "send"));
    this.go.setAttribute("aria-label", label);
    this.go.title = label;
    this.go.classList.toggle("stop", busy);
    this.#enable();
  }

  /** A line above the field; none without text. @param {string} [text] @param {{bad?: boolean, act?: () => void}} [how] */
  tell(text = "", { bad = false, act } = {}) {
    this.notice.hidden = !text;
    this.notice.classList.toggle("bad", bad);
    this.notice.replaceChildren(h("span", {}, text), act ? h("button", { type: "button", onclick: act }, this.words.retry) : "");
  }

  /** Say something to those who listen instead of look. @param {string} text */
  announce(text) {
    this.spoken.textContent = text;
  }

  /** Change the conversation; it stays at its end if it was there. @param {() => void} change @param {boolean} [force] */
  keep(change, force = false) {
    const there = force || this.#near();
    change();
    if (there) this.log.scrollTop = this.log.scrollHeight;
    this.#scrolled();
  }

  #near() {
    const { log } = this;
    return log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
  }

  #scrolled() {
    this.down.hidden = this.#near();
  }
}
