// The real widget with settings that are not saved yet: it runs in an empty frame of our own,
// whose session is answered here. What is asked in it is asked as the chatbot's owner.
import { html, useEffect, useRef } from "../core/ui.js";

const PAUSE = 350; // ms after the last change
const GREETING = "Hi! How can I help you?"; // the server's own, in the visitor's language, comes with the real session
const NO_ID = "vis_preview";

/** @param {{bot: any}} of */
export function Preview({ bot }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const facts = JSON.stringify([bot.name, bot.language, bot.personality.greeting, bot.appearance]);
  useEffect(() => {
    const timer = setTimeout(() => place.current?.replaceChildren(frame(bot, place.current)), place.current?.firstChild ? PAUSE : 0);
    return () => clearTimeout(timer);
  }, [facts]);
  return html`<section class="preview" aria-label="Preview"><h2 class="small quiet">Live preview</h2><div class="stage" ref=${place} /></section>`;
}

/** @param {any} bot @param {HTMLElement} stage */
function frame(bot, stage) {
  const made = document.createElement("iframe");
  made.title = "The widget with these settings";
  const begin = () => {
    const page = /** @type {any} */ (made.contentWindow);
    if (!page || page.began || !stage.contains(made)) return;
    page.began = true;
    page.document.documentElement.lang = bot.language;
    page.document.title = made.title;
    page.document.body.append(Object.assign(page.document.createElement("main"), { ariaLabel: "A page of your site" }));
    isolate(page, bot);
    const script = page.document.createElement("script");
    const source = `${location.origin}/widget.js`;
    script.src = page.trustedTypes ? page.trustedTypes.createPolicy("preview", { createScriptURL: () => source }).createScriptURL("") : source;
    Object.assign(script.dataset, { chatbot: bot.id, open: "" });
    page.document.head.append(script);
  };
  made.addEventListener("load", begin);
  queueMicrotask(begin); // an empty frame is there at once
  return made;
}

/** Nothing of the preview is kept, and its session is the draft. @param {any} page @param {any} bot */
function isolate(page, bot) {
  const memory = new Map();
  Object.defineProperty(page, "localStorage", {
    value: { getItem: (/** @type {string} */ k) => memory.get(k) ?? null, setItem: (/** @type {string} */ k, /** @type {string} */ v) => memory.set(k, v), removeItem: (/** @type {string} */ k) => memory.delete(k) },
  });
  const real = page.fetch.bind(page);
  page.fetch = (/** @type {string} */ url, /** @type {RequestInit} */ how = {}) => {
    if (url.endsWith("/session")) return Promise.resolve(Response.json(session(bot)));
    const headers = new Headers(how.headers);
    headers.delete("Authorization");
    return real(url, { ...how, headers, credentials: "same-origin" });
  };
}

/** @param {any} bot */
const session = (bot) => ({
  visitorId: NO_ID,
  token: "preview",
  expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
  conversation: null,
  chatbot: {
    id: bot.id,
    name: bot.name,
    language: bot.language,
    greeting: bot.personality.greeting || GREETING,
    appearance: bot.appearance,
    handoffEnabled: bot.handoff.enabled,
    open: true,
    outOfHoursMessage: bot.handoff.outOfHoursMessage,
    aiDisclosure: "",
  },
});
