import { html } from "../core/ui.js";
import { count, plural } from "../core/format.js";
import { Icon } from "../parts/icon.js";
import { Badge } from "../parts/states.js";
import { TYPES, busy, state } from "./words.js";

/** @param {{item: any}} of */
export function State({ item }) {
  const { kind, text } = state(item);
  return html`<span class="row wrap">
    <${Badge} kind=${kind} dot>${text}<//>
    ${item.status === "ready" && item.semantic === "pending" && html`<${Badge} kind="warn">Meaning follows<//>`}
  </span>`;
}

/** @param {{item: any}} of */
export const Kind = ({ item }) => html`<span class="kind" title=${TYPES[item.type]?.name}><${Icon} name=${TYPES[item.type]?.icon ?? "file"} /></span>`;

/** How far a crawl is, in pages. @param {{item: any}} of */
export function Pages({ item }) {
  const { found, indexed, failed } = item.progress;
  const done = indexed + failed;
  const told = `${count(indexed)} of ${plural(found, "page")} indexed${failed ? `, ${count(failed)} failed` : ""}`;
  return html`<div class="pages">
    ${busy(item) && html`<progress max=${Math.max(found, 1)} value=${done} aria-label=${told} />`}
    <span class="small quiet" role=${busy(item) ? "status" : undefined}>${told}</span>
  </div>`;
}

/** What it holds, in a few words. @param {{item: any}} of */
export function Holds({ item }) {
  if (item.type === "crawl") return html`<${Pages} item=${item} />`;
  if (item.status === "failed") return html`<span class="small bad">${item.error?.message ?? "It failed."}</span>`;
  if (busy(item) && !item.chunks) return html`<progress aria-label="Working" />`;
  return html`<span class="small quiet">${plural(item.chunks, "passage")}</span>`;
}
