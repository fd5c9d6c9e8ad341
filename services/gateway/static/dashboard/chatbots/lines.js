import { html, useId, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Icon } from "../parts/icon.js";

/** A list of short texts. @param {{label: string, value: string[], set: (value: string[]) => void, most: number, placeholder?: string, hint?: string, wrong?: string, ltr?: boolean}} of */
export function Lines({ label, value, set, most, placeholder = "", hint, wrong, ltr = false }) {
  const id = useId();
  const [text, write] = useState("");
  const add = () => {
    const line = text.trim();
    write("");
    if (line && !value.includes(line)) set([...value, line]);
  };
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    add();
  };
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      ${value.length > 0 && html`<ul class="lines">${value.map((line) => html`<li key=${line}><span class="grow" dir=${ltr ? "ltr" : "auto"}>${line}</span>
        <${Button} kind="bare small" icon="close" label=${`Remove “${line}”`} act=${() => set(value.filter((one) => one !== line))} /></li>`)}</ul>`}
      ${value.length < most && html`<div class="row"><input id=${id} class="input" dir=${ltr ? "ltr" : "auto"} placeholder=${placeholder} value=${text} maxlength="500"
        onInput=${(/** @type {any} */ e) => write(e.target.value)} onKeyDown=${keys} onBlur=${add} /><${Button} act=${add} disabled=${!text.trim()}>Add<//></div>`}
      ${wrong && html`<div class="wrong"><${Icon} name="alert" />${wrong}</div>`}
      ${hint && html`<div class="hint">${hint}</div>`}
    </div>`;
}
