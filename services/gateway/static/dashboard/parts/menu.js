import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Icon } from "./icon.js";

/**
 * A button with a list of things to do or choose.
 * @typedef {{label: any, icon?: any, act?: () => any, href?: string, danger?: boolean, on?: boolean, line?: boolean}} Item
 * @param {{items: (Item | null | false | undefined | "")[], label?: string, button?: any, style?: string, up?: boolean}} of
 */
export function Menu({ items, label = "More", button, style = "button bare small square", up = false }) {
  const [open, set] = useState(false);
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!open) return;
    const away = (/** @type {Event} */ e) => root.current?.contains(/** @type {Node} */ (e.target)) || set(false);
    document.addEventListener("pointerdown", away);
    /** @type {HTMLElement | null | undefined} */ (root.current?.querySelector(".list > li > *"))?.focus();
    return () => document.removeEventListener("pointerdown", away);
  }, [open]);
  const shut = () => (set(false), /** @type {HTMLElement} */ (root.current?.querySelector("button")).focus());
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") event.stopPropagation(), shut();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [.../** @type {HTMLElement} */ (root.current).querySelectorAll(".list > li > *")];
    const next = all[(all.indexOf(/** @type {Element} */ (document.activeElement)) + step + all.length) % all.length];
    /** @type {HTMLElement} */ (next).focus();
  };
  const chosen = items.filter((item) => !!item);
  return html`
    <div class=${`menu ${up ? "up" : ""}`} ref=${root} onKeyDown=${open ? keys : undefined}>
      <button type="button" class=${style} aria-expanded=${String(open)} aria-haspopup="true" aria-label=${button ? undefined : label} title=${button ? undefined : label}
        onClick=${() => set(!open)}>${button ?? html`<${Icon} name="more" />`}</button>
      ${open && html`<ul class="list">${chosen.map((/** @type {any} */ item) => html`<li>${row(item, shut)}</li>`)}</ul>`}
    </div>`;
}

/** @param {Item} item @param {() => void} shut */
function row({ label, icon, act, href, danger, on }, shut) {
  const inside = html`${icon && html`<${Icon} name=${icon} />`}<span class="grow">${label}</span>${on && html`<${Icon} name="check" />`}`;
  if (href) return html`<a href=${href} onClick=${shut}>${inside}</a>`;
  return html`<button type="button" class=${danger ? "danger" : ""} aria-pressed=${on === undefined ? undefined : String(on)}
    onClick=${() => (shut(), act?.())}>${inside}</button>`;
}
