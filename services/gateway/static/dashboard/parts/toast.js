// What was done, and what was not: told at the bottom of the page, and to screen readers.
import { html, signal } from "../core/ui.js";
import { Icon } from "./icon.js";

const SHOWN = 5_000; // ms
const SHOWN_BAD = 9_000; // ms
const MOST = 3;

/** @typedef {{id: number, text: string, bad: boolean, act?: {label: string, do: () => any}}} Toast */
const toasts = signal(/** @type {Toast[]} */ ([]));
let last = 0;

/** @param {string} text @param {{bad?: boolean, act?: {label: string, do: () => any}}} [how] */
export function toast(text, { bad = false, act } = {}) {
  const id = ++last;
  toasts.value = [...toasts.value, { id, text, bad, act }].slice(-MOST);
  setTimeout(() => drop(id), bad ? SHOWN_BAD : SHOWN);
}

/** @param {number} id */
function drop(id) {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

export const Toasts = () => html`
  <div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map(({ id, text, bad, act }) => html`
      <div class=${`toast ${bad ? "bad" : ""}`} key=${id}>
        <${Icon} name=${bad ? "alert" : "check"} kind="mark" />
        <span class="grow">${text}</span>
        ${act && html`<button class="button bare small" type="button" onClick=${() => (drop(id), act.do())}>${act.label}</button>`}
        <button class="button bare small square" type="button" aria-label="Dismiss" onClick=${() => drop(id)}><${Icon} name="close" /></button>
      </div>`)}
  </div>`;
