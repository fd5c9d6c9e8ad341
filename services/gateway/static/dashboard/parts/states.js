// What a screen shows while there is nothing, nothing yet, or something went wrong.
import { html } from "../core/ui.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";

/** An error as the server said it. @param {{error: any, retry?: () => void}} of */
export const Problem = ({ error, retry }) => html`
  <div class="problem" role="alert">
    <${Icon} name="alert" />
    <div class="grow">
      <div>${error.message || "Something went wrong."}</div>
      ${error.requestId && error.status >= 500 && html`<div class="trace mono">Request ${error.requestId}</div>`}
    </div>
    ${retry && html`<${Button} kind="small" icon="refresh" act=${retry}>Try again<//>`}
  </div>`;

/** Nothing here: why, and what to do next. @param {{icon?: any, title: string, text?: any, whole?: boolean, children?: any}} of `whole`: there is nothing else on the screen */
export const Empty = ({ icon = "info", title, text, whole = false, children }) => html`
  <div class="empty">
    <div class="ring"><${Icon} name=${icon} kind="big" /></div>
    ${whole ? html`<h1>${title}</h1>` : html`<h2>${title}</h2>`}
    ${text && html`<p>${text}</p>`}
    ${children && html`<div class="acts">${children}</div>`}
  </div>`;

const BONES = ["92%", "70%", "84%", "58%", "76%", "64%"];

/** The shape of what is coming. @param {{lines?: number, height?: number}} of */
export const Loading = ({ lines = 4, height = 16 }) => html`
  <div class="stack" role="status" aria-label="Loading">
    ${BONES.slice(0, lines).map((width) => html`<div class="bone" style=${{ width, height: `${height}px` }} />`)}
  </div>`;

/** The end of a list that has more. @param {{list: {hasMore: boolean, loading: boolean, more: () => void}}} of */
export const More = ({ list }) => list.hasMore && html`
  <div class="more"><${Button} kind="small" busy=${list.loading} act=${list.more}>Show more<//></div>`;

/**
 * A list in its states: loading, failed, empty, or its children and "Show more".
 * @param {{list: any, empty: any, children?: any}} of
 */
export function Listed({ list, empty, children }) {
  if (list.error && !list.items.length) return html`<div class="body"><${Problem} error=${list.error} retry=${() => list.reload()} /></div>`;
  if (list.first) return html`<div class="body"><${Loading} /></div>`;
  if (!list.items.length) return empty;
  return html`${children}${list.error && html`<div class="body"><${Problem} error=${list.error} retry=${list.more} /></div>`}<${More} list=${list} />`;
}

/** One thing being read: its states, or `children(data)`. @param {{of: any, children?: any, lines?: number}} of */
export function Loaded({ of, children, lines }) {
  if (of.error && of.data === undefined) return html`<${Problem} error=${of.error} retry=${of.reload} />`;
  if (of.data === undefined) return html`<${Loading} lines=${lines} />`;
  return children(of.data);
}

/** @param {{kind?: string, dot?: boolean, children?: any}} of kinds: good, warn, bad, accent */
export const Badge = ({ kind = "", dot = false, children }) => html`
  <span class=${`badge ${kind}`}>${dot && html`<span class="dot" />`}${children}</span>`;

/** @param {{icon?: any, kind?: string, children?: any}} of */
export const Note = ({ icon = "info", kind = "", children }) => html`
  <div class=${`note ${kind}`}><${Icon} name=${icon} /><div class="grow">${children}</div></div>`;

/** @param {{name: string, square?: boolean}} of */
export const Avatar = ({ name, square = false }) => html`
  <span class=${`avatar ${square ? "square" : ""}`} aria-hidden="true">${[...(name.trim() || "?")][0].toUpperCase()}</span>`;
