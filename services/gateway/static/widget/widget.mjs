// The widget as a module: import { start } from "https://HOST/widget.mjs".
import { start as begin } from "/assets/widget/{{version}}/launcher.js";

/** @typedef {import("./launcher.js").Options} Options */

/** Put a chatbot's widget on this page. @param {Options} options */
export const start = (options) => begin({ base: new URL(import.meta.url).origin, ...options });
