// What is used of the plan.
import { get } from "../core/api.js";
import { bytes, count, short } from "../core/format.js";
import { useLoad } from "../core/load.js";
import { html } from "../core/ui.js";
import { Card } from "../parts/page.js";
import { Badge, Loaded } from "../parts/states.js";

/** @type {[string, string, string][]} what is used, its limit, its name */
const METERS = [
  ["messages", "messages", "Visitors' messages this month"],
  ["chatbots", "chatbots", "Chatbots"],
  ["knowledgeItems", "knowledgeItems", "Knowledge items"],
  ["pages", "pages", "Crawled pages"],
  ["seats", "seats", "People"],
];

export function Usage() {
  const load = useLoad((signal) => get("usage", {}, signal), []);
  return html`<${Loaded} of=${load}>${(/** @type {any} */ use) => html`<div class="stack loose">
    <${Card} title=${html`Plan <${Badge} kind="accent">${use.plan}<//>`} text="Plans are set by who runs this installation.">
      <ul class="meters">${METERS.map(([used, limit, name]) => html`<li><${Meter} name=${name} used=${use[used]} limit=${use.limits[limit]} /></li>`)}</ul><//>
    <${Card} title="Also counted"><dl class="facts">
      <div><dt>Passages</dt><dd>${count(use.chunks)}</dd></div>
      <div><dt>Uploads stored</dt><dd>${bytes(use.storageBytes)}</dd></div>
      <div><dt>Tokens this month</dt><dd>${short(use.tokens)}</dd></div>
      <div><dt>API access</dt><dd>${use.limits.apiAccess ? "Yes" : "No"}</dd></div></dl><//>
  </div>`}<//>`;
}

/** @param {{name: string, used: number, limit: number | null}} of */
function Meter({ name, used, limit }) {
  const share = limit ? used / limit : 0;
  const kind = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "";
  return html`<div class="row between"><span>${name}</span><span class="quiet">${count(used)}${limit === null ? html` <span class="small">no limit</span>` : ` of ${count(limit)}`}</span></div>
    ${limit !== null && html`<progress class=${kind} max=${limit} value=${Math.min(used, limit)} aria-label=${name} />`}
    ${share >= 1 && html`<p class="small wrong">The limit is reached: new ones are refused.</p>`}`;
}
