// What the widget says, in the visitor's language. One catalog is loaded besides English.

export const ENGLISH = {
  open: "Open chat",
  close: "Close chat",
  ai: "AI assistant",
  placeholder: "Write a message…",
  send: "Send",
  stop: "Stop answering",
  menu: "More options",
  fresh: "New conversation",
  save: "Download transcript",
  human: "Talk to a person",
  sound: "Sound for new messages",
  you: "You",
  sources: "Sources",
  page: "page {n}",
  up: "Helpful",
  down: "Not helpful",
  thanks: "Thanks for your feedback.",
  why: "What was missing? (optional)",
  offline: "You are offline. Your message goes out when you are back.",
  again: "Connection lost. Reconnecting…",
  slow: "Too many messages. You can write again in {n} s.",
  failed: "That did not work.",
  retry: "Try again",
  unavailable: "Chat is not available right now.",
  latest: "Go to the newest message",
  earlier: "Earlier messages",
  waiting: "Waiting for a person",
  typing: "{name} is typing…",
  thinking: "Looking for an answer…",
  resolved: "This conversation is closed. Write to open it again.",
  unread: "{n} new messages",
  stopped: "Stopped",
  log: "Conversation",
  team: "Team",
};

/** @typedef {typeof ENGLISH} Text */

const LANGUAGES = ["en", "es", "de", "fr", "pt", "it", "nl", "pl", "tr", "ru", "ar", "hi", "zh", "ja"];

/** The first of some wishes that is spoken here, without its region; "" for none. @param {...(string | null | undefined)} wishes */
export const spoken = (...wishes) =>
  wishes.map((wish) => (wish ?? "").toLowerCase().split(/[-_]/)[0]).find((wish) => LANGUAGES.includes(wish)) ?? "";

export const direction = (/** @type {string} */ language) => (language === "ar" ? "rtl" : "ltr");

/** @param {string} language @returns {Promise<Text>} */
export async function catalog(language) {
  if (language === "en") return ENGLISH;
  try {
    return { ...ENGLISH, ...(await import(`./text-${language}.js`)).default };
  } catch {
    return ENGLISH;
  }
}

/** @param {string} text @param {Record<string, any>} values */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
