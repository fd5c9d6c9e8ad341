import { language } from "./format.js";

/** What the widget speaks. @type {[string, string][]} */
export const LANGUAGES = /** @type {[string, string][]} */ (
  ["en", "ar", "de", "es", "fr", "hi", "it", "ja", "nl", "pl", "pt", "ru", "tr", "zh"].map((code) => [code, language(code)])
);
