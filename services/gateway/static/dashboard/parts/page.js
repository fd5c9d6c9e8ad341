import { html, useEffect, useRef } from "../core/ui.js";
import { Icon } from "./icon.js";

/**
 * A screen's frame: where it belongs, its title, what can be done here.
 * @param {{title: any, text?: any, actions?: any, back?: {href: string, label: string}, narrow?: boolean, tabs?: any, children?: any}} of
 */
export const Page = ({ title, text, actions, back, narrow = false, tabs, children }) => html`
  <div class=${`page ${narrow ? "narrow" : ""}`}>
    <div class="head">
      <div>
        ${back && html`<a class="crumb" href=${back.href}><${Icon} name="left" />${back.label}</a>`}
        <h1>${title}</h1>
        ${text && html`<p>${text}</p>`}
      </div>
      ${actions && html`<div class="acts">${actions}</div>`}
    </div>
    ${tabs}
    ${children}
  </div>`;

/** @param {{label: string, tabs: {href: string, label: string, on: boolean}[]}} of */
export function Tabs({ label, tabs }) {
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => { // where they don't all fit, the one we are at does
    const here = /** @type {HTMLElement | null | undefined} */ (root.current?.querySelector("[aria-current]"));
    if (here && root.current) root.current.scrollLeft = here.offsetLeft - (root.current.clientWidth - here.offsetWidth) / 2;
  }, [tabs.findIndex((tab) => tab.on)]);
  return html`<nav class="tabs" aria-label=${label} ref=${root}>
    ${tabs.map((tab) => html`<a href=${tab.href} aria-current=${tab.on ? "page" : undefined}>${tab.label}</a>`)}
  </nav>`;
}

/** A box with a title. @param {{title?: any, text?: any, actions?: any, footer?: any, bare?: boolean, children?: any, level?: number}} of */
export const Card = ({ title, text, actions, footer, bare = false, children }) => html`
  <section class="card">
    ${title && html`<header><div><h2>${title}</h2>${text && html`<p>${text}</p>`}</div>${actions && html`<div class="row wrap">${actions}</div>`}</header>`}
    ${bare ? children : html`<div class="body">${children}</div>`}
    ${footer && html`<footer>${footer}</footer>`}
  </section>`;
