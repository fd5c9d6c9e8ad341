// Times, numbers and names as people read them, in the language of their browser.

const LANGUAGE = navigator.language;
const number = new Intl.NumberFormat(LANGUAGE);
const compact = new Intl.NumberFormat(LANGUAGE, { notation: "compact", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(LANGUAGE, { style: "percent", maximumFractionDigits: 0 });
const relative = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto", style: "narrow" });
const moment = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(LANGUAGE, { timeStyle: "short" });
const date = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium" });
const languages = new Intl.DisplayNames(LANGUAGE, { type: "language" });

/** @param {number} n */
export const count = (n) => number.format(n);
/** @param {number} n */
export const short = (n) => compact.format(n);
/** @param {number | null | undefined} rate from 0 to 1 */
export const rate = (rate) => (rate === null || rate === undefined ? "–" : percent.format(rate));
/** @param {string} iso */
export const at = (iso) => moment.format(new Date(iso));
/** @param {string} iso */
export const time = (iso) => clock.format(new Date(iso));
/** @param {string} iso */
export const day = (iso) => date.format(new Date(iso));
/** @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** @param {string} code */
export function language(code) {
  try {
    return languages.of(code) ?? code;
  } catch {
    return code;
  }
}

/** @param {number | null | undefined} ms */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** @param {number} n */
export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  while (n >= 1_000 && i < units.length - 1) [n, i] = [n / 1_000, i + 1];
  return `${i && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

const STEPS = /** @type {[Intl.RelativeTimeFormatUnit, number][]} */ ([["day", 86_400], ["hour", 3_600], ["minute", 60]]);

/** @param {string | null | undefined} iso */
export function ago(iso) {
  if (!iso) return "never";
  const seconds = (Date.parse(iso) - Date.now()) / 1_000;
  if (Math.abs(seconds) > 7 * 86_400) return day(iso);
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return Math.abs(seconds) < 10 ? "now" : relative.format(Math.trunc(seconds), "second");
}

/** A name a person can tell visitors apart by. @param {string} id */
export const visitor = (id) => `Visitor ${id.slice(-4)}`;
