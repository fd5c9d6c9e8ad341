// What bots write, as the widget shows it: the same code, which makes elements and never markup.
import { render } from "/assets/widget/{{version}}/markdown.js";
import { html, useLayoutEffect, useRef } from "../core/ui.js";

/** @param {{text: string}} of */
export function Markdown({ text }) {
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => render(/** @type {HTMLElement} */ (root.current), text), [text]);
  return html`<div class="text" dir="auto" ref=${root} />`;
}
