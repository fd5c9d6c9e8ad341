// The button on the page, and the handle that scripts have. The rest is loaded when it is needed.

import { Api, Refused, online, passing } from "./api.js";
import { legible, luminance, readable } from "./colour.js";
import { adopt, h, icon } from "./dom.js";
import { catalog, direction, fill, spoken } from "./text.js";

/** @typedef {{chatbot: string, base?: string, language?: string, open?: boolean, identity?: import("./api.js").Identity}} Options */
/** @typedef {"ready" | "open" | "close" | "message" | "escalated" | "unread"} Happening */

const TAG = "chattery-widget";
const FRESH = 300_000; // ms that a chatbot's settings are believed
const TRIES = 3; // to reach the server before the first sight of it
const TIP_SHOWN = 5_000; // ms

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
[aria-busy=true] .icon { animation: wait 1s infinite alternate; }
.tip { position: fixed; bottom: 88px; right: 20px; max-width: 260px; padding: 10px 14px; border-radius: 12px; background: #1f2430; color: #fff; font-size: 14px; box-shadow: var(--shade); }
[data-side=left] .tip { right: auto; left: 20px; }
@keyframes wait { to { opacity: .35; } }
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
  const attach = () => (document.body ?? document.documentElement).append(element);
  attach();
  // Pages that are swapped by script replace their body.
  new MutationObserver(() => element.isConnected || attach()).observe(document.documentElement, { childList: true });
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
  #tipped = 0;

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
    this.button = h("button", {
      class: "launcher",
      type: "button",
      "aria-expanded": "false",
      onclick: () => this.#toggle(),
      onpointerenter: () => import("./app.js").catch(() => {}), // soon needed
    });
    this.tip = h("div", { class: "tip", role: "status", hidden: true });
    this.root = h("div", { class: "root" }, this.button, this.tip);
  }

  /** Show the button: from what is remembered at once, and from the server. */
  async begin() {
    const { memory } = this.#api;
    const { identity } = this.#options;
    const claims = identity?.userId || identity?.jwt;
    if (memory.chatbot && !claims) await this.#paint();
    try {
      if (claims) await this.#reached(() => this.#api.identify(identity));
      else if (!memory.chatbot || Date.now() - (memory.at ?? 0) > FRESH) await this.#reached(() => this.#api.session());
    } catch (error) {
      const { status, code } = /** @type {import("./api.js").Refused} */ (error);
      this.root.remove();
      this.#text = undefined;
      if (code === "identity_required") return; // the page will say who it is
      if (status === 0 && memory.chatbot) return this.#stand();
      this.element.remove();
      throw error;
    }
    await this.#stand();
  }

  /** @param {() => Promise<any>} call */
  async #reached(call) {
    for (let tries = 1; ; tries++) {
      try {
        return await call();
      } catch (error) {
        if (!passing(error)) throw error;
        if (tries >= TRIES) throw new Refused(0, "unreachable", "the server is not reached, or this site is not on the chatbot's list of origins.");
        await online(500 * 2 ** tries);
      }
    }
  }

  /** Be there, as the visitor left it. */
  async #stand() {
    await this.#paint();
    this.emit("ready", {});
    const { memory } = this.#api;
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
    const on = readable(appearance.textColor, primary);
    const colours = {
      primary,
      "on-primary": on,
      away: luminance(on) > 0.4 ? "#000" : "#fff", // where the primary colour may go and stay readable
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

  /** The conversation, loaded when it is first needed. @returns {Promise<import("./app.js").App>} */
  #load() {
    if (!this.#text) return Promise.reject(new Error("This chatbot talks to identified visitors only: call identify first."));
    const text = this.#text;
    this.#app ??= import("./app.js").then(
      ({ App }) =>
        new App({
          api: this.#api,
          shadow: this.#shadow,
          style: STYLE,
          root: this.root,
          text,
          close: () => this.close(),
          emit: (name, detail) => this.emit(name, detail),
          unread: (count) => this.#name(count),
        }),
    );
    this.#app.catch(() => (this.#app = undefined)); // to be tried again
    return this.#app;
  }

  #toggle() {
    (this.#shown ? this.close() : this.open()).catch(() => this.#tell(this.#text?.failed ?? ""));
  }

  /** A word beside the button, where there is no panel to say it in. @param {string} text */
  #tell(text) {
    clearTimeout(this.#tipped);
    this.tip.hidden = false;
    this.tip.textContent = text;
    this.#tipped = setTimeout(() => (this.tip.hidden = true), TIP_SHOWN);
  }

  /** @param {{focus?: boolean}} [how] */
  async open({ focus = true } = {}) {
    if (this.#shown) return;
    this.button.setAttribute("aria-busy", "true");
    const app = await this.#load().finally(() => this.button.removeAttribute("aria-busy"));
    if (this.#shown) return;
    this.#shown = true;
    this.tip.hidden = true;
    this.button.setAttribute("aria-expanded", "true");
    this.#api.remember({ open: true });
    app.show(focus);
    this.emit("open", {});
  }

  async close() {
    if (!this.#shown) return;
    this.#shown = false;
    this.button.setAttribute("aria-expanded", "false");
    this.#api.remember({ open: false });
    const within = this.#shadow.activeElement; // else what has the focus keeps it
    (await this.#load()).hide();
    if (within) this.button.focus();
    this.emit("close", {});
  }

  /** Open, and ask something in the visitor's name. @param {string} message */
  async send(message) {
    await this.open();
    await (await this.#load()).asking.send(String(message));
  }

  /**
   * Say who the visitor is, with a proof that the site's own server made; nothing after they
   * signed out. Rejects when the proof is not valid.
   * @param {import("./api.js").Identity | null} [identity]
   */
  async identify(identity) {
    const before = this.#api.memory.visitorId;
    await this.#api.identify(identity);
    if (!this.#text) await this.#stand();
    else if (this.#api.memory.visitorId !== before && this.#app) await (await this.#app).reload();
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
