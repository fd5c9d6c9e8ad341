// Every screen by its path below /dashboard. A screen is loaded when it is first shown.

/**
 * @typedef {{path: string, title: string, load: () => Promise<{default: any}>, needs?: string, full?: boolean}} Row
 *   `needs` is a scope; `full` screens have the whole width and height.
 */

/** @type {Row[]} */
export const SCREENS = [
  { path: "start/:chatbot?", title: "First steps", load: () => import("../start/screen.js"), needs: "admin" },
  { path: "inbox/:conversation?", title: "Inbox", load: () => import("../inbox/screen.js"), needs: "conversations", full: true },
  { path: "overview", title: "Overview", load: () => import("../overview/screen.js"), needs: "conversations" },
  { path: "unanswered", title: "Unanswered", load: () => import("../unanswered/screen.js"), needs: "conversations" },
  { path: "chatbots", title: "Chatbots", load: () => import("../chatbots/list.js") },
  { path: "chatbots/:chatbot/knowledge/:item?", title: "Knowledge", load: () => import("../knowledge/screen.js"), needs: "knowledge" },
  { path: "chatbots/:chatbot/:tab?", title: "Chatbot", load: () => import("../chatbots/screen.js"), needs: "admin" },
  { path: "settings/:tab?/:item?", title: "Settings", load: () => import("../settings/screen.js") },
];
