// How the states of knowledge are said.

/** @type {Record<string, {name: string, icon: import("../parts/icon.js").IconName}>} */
export const TYPES = {
  crawl: { name: "Site", icon: "globe" },
  url: { name: "Page", icon: "code" },
  document: { name: "Document", icon: "file" },
  text: { name: "Text", icon: "note" },
  qa: { name: "Question & answer", icon: "question" },
};

/** @type {Record<string, string>} */
const STAGES = {
  queued: "Waiting for its turn",
  starting: "Starting",
  fetching: "Fetching",
  extracting: "Reading the document",
  chunking: "Cutting into passages",
  crawling: "Following links",
  indexing: "Indexing",
  cancelled: "Cancelled",
};

/** @type {[string, string][]} */
export const REFRESHES = [
  ["never", "Never"],
  ["daily", "Every day"],
  ["weekly", "Every week"],
];

/** @param {any} item */
export const busy = (item) => item.status === "pending" || item.status === "processing";

/** @param {any} item @returns {{kind: string, text: string}} */
export function state(item) {
  if (item.status === "failed") return { kind: "bad", text: item.stage === "cancelled" ? "Cancelled" : "Failed" };
  if (item.status === "ready") return { kind: "good", text: "Ready" };
  return { kind: item.status === "pending" ? "" : "accent", text: STAGES[item.stage] ?? item.stage };
}

/** @param {any} item */
export function label(item) {
  return item.title || item.source || TYPES[item.type]?.name || item.id;
}

/** Where it can be read, if anywhere. @param {any} item */
export const link = (item) => (/^https?:/.test(item.source ?? "") ? item.source : null);
