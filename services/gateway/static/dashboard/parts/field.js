// Form fields: a label, the control, a hint, and what is wrong with it.
import { html, useId } from "../core/ui.js";
import { Icon } from "./icon.js";

/**
 * @typedef {{label: string, hint?: any, wrong?: string, hidden?: boolean, value?: any, set?: (value: any) => void,
 *   [more: string]: any}} FieldOf  `hidden` keeps the label for screen readers alone
 */

/** @param {FieldOf & {control: (attributes: any) => any}} of */
function Field({ label, hint, wrong, hidden, control }) {
  const id = useId();
  const told = [hint && `${id}-hint`, wrong && `${id}-wrong`].filter(Boolean).join(" ");
  return html`
    <div class="field">
      <label for=${id} class=${hidden ? "hush" : ""}>${label}</label>
      ${control({ id, "aria-describedby": told || undefined, "aria-invalid": wrong ? "true" : undefined })}
      ${wrong && html`<div class="wrong" id=${`${id}-wrong`}><${Icon} name="alert" />${wrong}</div>`}
      ${hint && html`<div class="hint" id=${`${id}-hint`}>${hint}</div>`}
    </div>`;
}

/** @param {FieldOf} of */
export const TextField = ({ label, hint, wrong, hidden, value, set, small, ...more }) => html`
  <${Field} label=${label} hint=${hint} wrong=${wrong} hidden=${hidden} control=${(/** @type {any} */ a) => html`
    <input class=${`input ${small ? "small" : ""}`} type="text" dir="auto" ...${a} value=${value} onInput=${(/** @type {any} */ e) => set?.(e.target.value)} ...${more} />`} />`;

/** @param {FieldOf} of */
export const TextArea = ({ label, hint, wrong, hidden, value, set, ...more }) => html`
  <${Field} label=${label} hint=${hint} wrong=${wrong} hidden=${hidden} control=${(/** @type {any} */ a) => html`
    <textarea class="input" dir="auto" ...${a} value=${value} onInput=${(/** @type {any} */ e) => set?.(e.target.value)} ...${more} />`} />`;

/** @param {FieldOf & {options: [string, string][]}} of options are [value, text] */
export const Select = ({ label, hint, wrong, hidden, value, set, options, small, ...more }) => html`
  <${Field} label=${label} hint=${hint} wrong=${wrong} hidden=${hidden} control=${(/** @type {any} */ a) => html`
    <select class=${`input ${small ? "small" : ""}`} ...${a} value=${value} onChange=${(/** @type {any} */ e) => set?.(e.target.value)} ...${more}>
      ${options.map(([key, text]) => html`<option value=${key} selected=${key === value}>${text}</option>`)}
    </select>`} />`;

/** @param {FieldOf} of */
export const Toggle = ({ label, hint, value, set, ...more }) => html`
  <label class="toggle"><input type="checkbox" role="switch" checked=${value} onChange=${(/** @type {any} */ e) => set?.(e.target.checked)} ...${more} />
    <span><span class="strong">${label}</span>${hint && html`<span class="hint quiet small" style=${{ display: "block" }}>${hint}</span>`}</span></label>`;

/** @param {FieldOf} of */
export const Check = ({ label, hint, value, set, ...more }) => html`
  <label class="option"><input class="check" type="checkbox" checked=${value} onChange=${(/** @type {any} */ e) => set?.(e.target.checked)} ...${more} />
    <span>${label}${hint && html`<span class="quiet small" style=${{ display: "block" }}>${hint}</span>`}</span></label>`;

/** What is wrong with a field, said by the server. @param {any} error @param {string} field */
export const wrongIn = (error, field) => (error?.details?.field === field ? error.message : undefined);
