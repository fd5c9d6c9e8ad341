// The button on the page, and the handle that scripts have. The rest is loaded when it is needed.

import { Api } from "./api.js";
import { legible, readable } from "./colour.js";
import { adopt, h, icon } from "./dom.js";
import { catalog, direction, fill, spoken } from "./text.js";

/** @typedef {{chatbot: string, base?: string, language?: string, open?: boolean}} Options */
/** @typedef {"ready" | "open" | "close" | "message" | "escalated" | "unread"} Happening */

const TAG = "chattery-widget";
const FRESH = 300_000; // ms that a chatbot's settings are believed

// Important rules of a shadow root win over the page's: nothing a page says of `*` gets in.
const STYLE = `
:host { all: initial !important; position: fixed !important; inset: auto 0 0 auto !important;
  z-index: 2147483647 !important; display: block !important; width: 0 !important; height: 0 !important; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
.root { --shade: 0 6px 24px rgb(15 23 42 / .2), 0 1px 4px rgb(15 23 42 / .14);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
.launcher { position: fixed; bottom: 20px; right: 20px; display: flex; align-items: center; gap: 10px;
  min-width: 56px; height: 56px; padding: 0 16px; border: 0; border-radius: 28px; cursor: pointer;
  background: var(--primary); color: var(--on-primary); box-shadow: var(--shade);
  font: inherit; font-weight: 600; transition: transform .16s, box-shadow .16s; animation: in .25s ease-out; }
[data-side=left] .launcher { right: auto; left: 20px; }
.launcher:hover { transform: translateY(-2px); }
.launcher:focus-visible { outline: 3px solid var(--primary); outline-offset: 3px; box-shadow: 0 0 0 3px #fff, var(--shade); }
.launcher .icon { width: 24px; height: 24px; }
[aria-expanded=true] .closed, [aria-expanded=false] .opened { display: none; }
.icon { width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round;
  stroke-linejoin: round; flex: none; }
.badge { position: absolute; top: -4px; inset-inline-end: -4px; min-width: 22px; height: 22px; padding: 0 6px;
  border: 2px solid #fff; border-radius: 11px; background: #c81e1e; color: #fff; font-size: 12px; line-height: 18px; text-align: center; }
@keyframes in { from { opacity: 0; transform: scale(.8); } }
@media (prefers-reduced-motion: reduce) { *, ::before, ::after { animation: none !important; transition: none !important; } }
@media (forced-colors: active) { .launcher { border: 2px solid; } }
@media print { .root { display: none; } }`;

class Element extends HTMLElement {
  /** @type {Widget | undefined} */
  chattery;
}

/** Put a chatbot's widget on this page; a page has one, however often it is asked for. @param {Options} options @returns {Promise<Widget>} */
export async function start(options) {
  const there = /** @type {Element | null} */ (document.querySelector(TAG));
  if (there?.chattery) return there.chattery;
  if (!customElements.get(TAG)) customElements.define(TAG, Element);
  const element = /** @type {Element} */ (document.createElement(TAG));
  const widget = (element.chattery = new Widget(element, options));
  document.body.append(element);
  await widget.begin();
  return widget;
}

class Widget {
  #shadow;
  #options;
  #api;
  /** @type {Promise<import("./app.js").App> | undefined} */
  #app;
  #shown = false;
  /** @type {import("./text.js").Text | undefined} */
  #text;
  /** @type {Map<string, Set<(detail: any) => void>>} */
  #listeners = new Map();

  /** @param {Element} element @param {Options} options */
  constructor(element, options) {
    this.#shadow = element.attachShadow({ mode: "closed" });
    adopt(this.#shadow, STYLE);
    this.#options = options;
    const language = spoken(options.language, document.documentElement.lang);
    this.#api = new Api(options.base ?? location.origin, options.chatbot, language);
    this.element = element;
    this.badge = h("span", { class: "badge", hidden: true, "aria-hidden": "true" });
    this.label = h("span");
    this.button = h("button", { class: "launcher", type: "button", "aria-expanded": "false", onclick: () => this.#toggle() });
    this.root = h("div", { class: "root" }, this.button);
  }

  /** Show the button: from what is remembered at once, and from the server. */
  async begin() {
    const { memory } = this.#api;
    const known = memory.chatbot && Date.now() - (memory.at ?? 0) < FRESH;
    if (memory.chatbot) await this.#paint();
    try {
      if (!known) await this.#api.session();
    } catch (error) {
      if (/** @type {any} */ (error).status === 403 || /** @type {any} */ (error).status === 404) {
        console.warn(`Chattery: ${/** @type {any} */ (error).message}`);
        this.element.remove();
      }
      if (!memory.chatbot) throw error;
    }
    await this.#paint();
    this.emit("ready", {});
    const wide = matchMedia("(min-width: 481px)").matches;
    if (this.#options.open || (memory.open && wide)) await this.open({ focus: false });
    else if (memory.conversation?.status === "escalated") await this.#load();
  }

  async #paint() {
    const { chatbot, language } = this.#api.memory;
    const { appearance } = chatbot;
    const speaks = spoken(language, chatbot.language) || "en";
    this.#text = await catalog(speaks);
    this.root.lang = speaks;
    this.root.dir = direction(speaks);
    this.root.dataset.side = appearance.position;
    this.root.dataset.theme = appearance.theme;
    const { primaryColor: primary } = appearance;
    const colours = {
      primary,
      "on-primary": readable(appearance.textColor, primary),
      "accent-light": legible(primary, "#f3f5f8"),
      "accent-dark": legible(primary, "#2c323e"),
    };
    for (const [name, value] of Object.entries(colours)) this.root.style.setProperty(`--${name}`, value);
    this.label.textContent = appearance.launcherText;
    this.button.replaceChildren(icon("chat", "closed"), icon("down", "opened"), ...(appearance.launcherText ? [this.label] : []), this.badge);
    this.#name(0);
    if (!this.root.isConnected) this.#shadow.append(this.root);
  }

  /** @param {number} unread */
  #name(unread) {
    const { open = "", unread: many = "" } = this.#text ?? {};
    const { launcherText } = this.#api.memory.chatbot.appearance;
    const name = [launcherText || open, unread ? fill(many, { n: unread }) : ""].filter(Boolean).join(", ");
    this.button.setAttribute("aria-label", name);
    this.badge.textContent = unread > 9 ? "9+" : String(unread);
    this.badge.hidden = !unread;
  }

  #load() {
    this.#app ??= import("./app.js").then(async ({ App }) => {
      const text = /** @type {import("./text.js").Text} */ (this.#text);
      const app = new App({
        api: this.#api,
        shadow: this.#shadow,
        style: STYLE,
        root: this.root,
        text,
        close: () => this.close(),
        emit: (name, detail) => this.emit(name, detail),
        unread: (count) => this.#name(count),
      });
      await app.begin();
      return app;
    });
    this.#app.catch(() => (this.#app = undefined)); // to be tried again
    return this.#app;
  }

  #toggle() {
    return this.#shown ? this.close() : this.open();
  }

  /** @param {{focus?: boolean}} [how] */
  async open({ focus = true } = {}) {
    if (this.#shown) return;
    const app = await this.#load();
    this.#shown = true;
    this.button.setAttribute("aria-expanded", "true");
    this.#api.remember({ open: true });
    await app.show(focus);
    this.emit("open", {});
  }

  async close() {
    if (!this.#shown) return;
    this.#shown = false;
    this.button.setAttribute("aria-expanded", "false");
    this.#api.remember({ open: false });
    (await this.#load()).hide();
    this.button.focus();
    this.emit("close", {});
  }

  /** Open, and ask something in the visitor's name. @param {string} message */
  async send(message) {
    await this.open();
    await (await this.#load()).send(String(message));
  }

  /** Say who the visitor is, with a proof that the site's own server made. @param {import("./api.js").Identity} identity */
  async identify({ userId, userHash, jwt }) {
    const before = this.#api.memory.visitorId;
    this.#api.identity = { userId, userHash, jwt };
    await this.#api.session();
    if (this.#api.memory.visitorId !== before && this.#app) await (await this.#app).reload();
  }

  /** @param {Happening} name @param {(detail: any) => void} listener @returns {() => void} ends it */
  on(name, listener) {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(listener));
    return () => void all.delete(listener);
  }

  /** @param {Happening} name @param {any} detail */
  emit(name, detail) {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(detail);
      } catch (error) {
        console.error(error); // the page's mistake is not ours
      }
    }
  }
}
