import { html, useState } from "../core/ui.js";
import { toast } from "./toast.js";
import { Icon } from "./icon.js";

/**
 * A button; a link where `href` is given. `act` may be async: the button is busy until it ends,
 * and what it raises is told in a toast.
 * @param {{act?: (event: any) => any, kind?: string, icon?: import("./icon.js").IconName, label?: string,
 *   busy?: boolean, disabled?: boolean, type?: string, href?: string, children?: any, [more: string]: any}} of
 */
export function Button({ act, kind = "", icon, label, busy = false, disabled = false, type = "button", href, children, ...more }) {
  const [working, work] = useState(false);
  const inside = html`${busy || working ? html`<span class="spin" />` : icon && html`<${Icon} name=${icon} />`}${children}`;
  const style = `button ${kind}${children === undefined ? " square" : ""}`;
  if (href) return html`<a class=${style} href=${href} aria-label=${label} title=${label} ...${more}>${inside}</a>`;
  const click = async (/** @type {any} */ event) => {
    const done = act?.(event);
    if (!(done instanceof Promise)) return;
    work(true);
    try {
      await done;
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { bad: true });
    } finally {
      work(false);
    }
  };
  return html`<button class=${style} type=${type} onClick=${click} disabled=${disabled || busy || working}
    aria-busy=${busy || working ? "true" : undefined} aria-label=${label} title=${label} ...${more}>${inside}</button>`;
}

/** @param {{text: string, label?: string, kind?: string}} of */
export function Copy({ text, label = "Copy", kind = "small" }) {
  const [copied, set] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // forbidden, or not there at all: without https
      throw new Error("The browser did not allow copying. Select the text and copy it by hand.");
    }
    set(true);
    setTimeout(() => set(false), 1_800);
  };
  return html`<${Button} kind=${kind} icon=${copied ? "check" : "copy"} act=${copy}>
    <span aria-live="polite">${copied ? "Copied" : label}</span><//>`;
}

/** A text to copy. @param {{text: string, label?: string}} of */
export const Code = ({ text, label }) => html`
  <div class="code"><pre tabindex="0"><code>${text}</code></pre><${Copy} text=${text} label=${label} /></div>`;
