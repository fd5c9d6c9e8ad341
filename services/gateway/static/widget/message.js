// One message as it is seen: its text, and below it what it rests on and what one may say to it.

import { h, icon } from "./dom.js";
import { address, finished, link, render } from "./markdown.js";
import { fill } from "./text.js";

/** @typedef {{id: string, sender: string, text: string, author?: string | null, sources?: any[], feedback?: {rating: string} | null, createdAt?: string, status?: string, answerId?: string | null}} Message */

/** What all messages of a widget share. @typedef {{words: import("./text.js").Text, language: string, name: string, logo: string | null}} Frame */

/** Somebody is at it. @param {string} label */
export const dots = (label) => h("div", { class: "dots" }, h("i"), h("i"), h("i"), h("span", { class: "hush" }, label));

/** Markdown without its marks. @param {string} text */
const plain = (text) => text.replace(/!?\[([^\]]*)\]\([^)\s]*\)/g, "$1").replace(/[*_`#]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}/g, "");

const APART = 300_000; // ms after which the same person's next message has a head of its own

/** A picture, or the first letter until there is one. @param {string} name @param {string | null} [logo] */
export function face(name, logo) {
  const element = h("div", { class: "face", "aria-hidden": "true" }, [...name][0]?.toUpperCase());
  const src = logo && address(logo);
  if (src) {
    const image = h("img", { src, alt: "", referrerpolicy: "no-referrer" });
    image.addEventListener("load", () => element.replaceChildren(image));
  }
  return element;
}

/** The day of a message, in words: "today", "Monday, 3 March". @param {string} at @param {string} language */
export function day(at, language) {
  const date = new Date(at);
  const words =
    date.toDateString() === new Date().toDateString()
      ? new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(0, "day")
      : new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" }).format(date);
  return h("p", { class: "day" }, words);
}

export class Bubble {
  /**
   * @param {Partial<Message> & {sender: string}} message
   * @param {Frame} frame
   * @param {(message: Bubble, rating: string, comment?: string) => Promise<any>} [rate]
   */
  constructor(message, frame, rate) {
    this.frame = frame;
    this.words = frame.words;
    this.rate = rate;
    this.id = message.id ?? "";
    this.sender = message.sender;
    this.author = message.author ?? "";
    this.createdAt = message.createdAt ?? new Date().toISOString();
    this.text = "";
    /** @type {HTMLElement | undefined} the line above it that says which day it is */
    this.day = undefined;
    this.body = h("div", { class: "bubble", dir: "auto" });
    this.below = h("div", { class: "below" });
    this.element = h("div", { class: `message ${this.sender}` }, ...this.#who(), this.body);
    if (message.text) this.say(message.text);
  }

  #who() {
    const { words, name, logo } = this.frame;
    const { you, ai, team } = words;
    if (this.sender === "visitor") return [h("span", { class: "hush" }, you)];
    if (this.sender === "system") return [];
    const who = this.sender === "admin" ? this.author || team : name;
    const kind = this.sender === "admin" ? "" : h("span", {}, ai);
    return [face(who, this.sender === "admin" ? null : logo), h("span", { class: "author" }, h("b", {}, who), kind)];
  }

  /** Whether it goes on where another one ended: without a head then. @param {Bubble} before */
  follow(before) {
    const apart = Date.parse(this.createdAt) - Date.parse(before.createdAt);
    const same = before.sender === this.sender && before.author === this.author && apart < APART;
    this.element.classList.toggle("follows", same);
  }

  /** It is no answer but a notice. */
  notice() {
    this.sender = "system";
    this.element.className = "message system";
    this.element.querySelectorAll(".face, .author").forEach((part) => part.remove());
  }

  /** Say when it was. */
  stamp() {
    const time = new Intl.DateTimeFormat(this.frame.language, { hour: "numeric", minute: "2-digit" });
    this.below.append(h("time", { datetime: this.createdAt }, time.format(new Date(this.createdAt))));
    this.element.append(this.below);
  }

  /** Show that an answer is being looked for. */
  think() {
    this.body.replaceChildren(dots(this.words.thinking));
  }

  /** @param {string} text all of it so far @param {boolean} [more] whether more is to come */
  say(text, more = false) {
    if (!this.text) this.body.replaceChildren();
    this.text = text;
    if (this.sender === "visitor") this.body.textContent = text;
    else render(this.body, more ? finished(text) : text);
  }

  /** The answer is there: its sources, and the thumbs. @param {{id?: string | null, sources?: any[], rating?: string, stopped?: boolean, rated?: boolean}} end */
  finish({ id, sources = [], rating, stopped, rated = true }) {
    if (this.text) this.say(this.text);
    this.id = id || this.id;
    if (sources.length) this.element.append(this.#sources(sources));
    if (stopped) this.below.append(h("span", {}, this.words.stopped));
    if (this.rate && this.id && rated) {
      this.thumbs = /** @type {const} */ (["up", "down"]).map((kind) =>
        h(
          "button",
          { class: "plain thumb", type: "button", "aria-pressed": "false", "aria-label": this.words[kind], title: this.words[kind], onclick: () => this.#rated(kind) },
          icon("up", kind === "down" ? "flip" : ""),
        ),
      );
      this.below.append(...this.thumbs);
    }
    this.stamp();
    if (rating) this.mark(rating);
  }

  /** @param {string} rating */
  mark(rating) {
    this.thumbs?.forEach((thumb, at) => thumb.setAttribute("aria-pressed", String(rating === (at ? "down" : "up"))));
  }

  /** @param {"up" | "down"} rating */
  async #rated(rating) {
    this.mark(rating);
    this.why?.remove();
    try {
      await this.rate?.(this, rating);
    } catch {
      this.mark("");
      return;
    }
    if (rating === "down") this.#ask();
  }

  #ask() {
    const input = h("input", { type: "text", maxlength: "2000", "aria-label": this.words.why, placeholder: this.words.why });
    const send = async (/** @type {Event} */ event) => {
      event.preventDefault();
      if (input.value.trim()) await this.rate?.(this, "down", input.value.trim());
      this.why?.replaceChildren(this.words.thanks);
    };
    this.why = h("form", { class: "why", onsubmit: send }, input, h("button", { class: "go", "aria-label": this.words.send }, icon("send")));
    this.element.append(this.why);
    input.focus();
  }

  /** @param {any[]} sources */
  #sources(sources) {
    const items = sources.map(({ title, url, page, quote }) => {
      const href = url && address(url);
      const name = page ? `${title}, ${fill(this.words.page, { n: page })}` : title;
      return h("li", { dir: "auto" }, href ? link(href, name) : h("span", {}, name), quote && h("q", {}, plain(quote)));
    });
    const summary = h("summary", {}, icon("book"), `${this.words.sources} (${sources.length})`, icon("down", "turn"));
    return h("details", { class: "sources" }, summary, h("ol", {}, ...items));
  }
}
