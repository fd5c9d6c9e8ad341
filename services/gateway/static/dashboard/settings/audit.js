// Who changed what, when, from where.
import { at } from "../core/format.js";
import { useList } from "../core/load.js";
import { ask } from "../core/router.js";
import { person } from "../core/store.js";
import { html } from "../core/ui.js";
import { TextField } from "../parts/field.js";
import { Card } from "../parts/page.js";
import { Empty, Listed } from "../parts/states.js";

/** @param {{query: Record<string, string>}} of */
export function Audit({ query }) {
  const { from = "", to = "" } = query;
  const list = useList("audit", { from: from && new Date(from).toISOString(), to: to && new Date(Date.parse(to) + 86_399_999).toISOString() }, 50);
  return html`
    <div class="filters">
      <${TextField} label="From" small type="date" value=${from} set=${(/** @type {string} */ v) => ask({ from: v })} />
      <${TextField} label="To" small type="date" value=${to} set=${(/** @type {string} */ v) => ask({ to: v })} />
    </div>
    <${Card} bare>
      <${Listed} list=${list} empty=${html`<${Empty} icon="clock" title="Nothing was changed" text=${from || to ? "Nothing in this stretch of time." : "Every change made here or with an API key is noted."} />`}>
        <div class="scroll" tabindex="0" role="region" aria-label="Audit log"><table class="grid"><thead><tr><th>When</th><th>Who</th><th>What</th><th>On</th><th>From</th></tr></thead>
          <tbody>${list.items.map((entry) => html`<tr key=${entry.id}><td class="nowrap" data-of="When">${at(entry.at)}</td><td data-of="Who"><span>${who(entry)}</span></td><td data-of="What">${words(entry.action)}</td>
            <td class="mono" data-of="On" title=${`Request ${entry.requestId}`}>${entry.target}</td><td class="mono" data-of="From">${entry.ip}</td></tr>`)}</tbody></table></div>
      <//><//>`;
}

/** @param {any} entry */
function who(entry) {
  const user = person(entry.actorId);
  if (user) return user.name || user.email;
  return html`${{ key: "API key", operator: "Operator", user: "A former colleague" }[/** @type {string} */ (entry.actorKind)] ?? entry.actorKind} <span class="mono small quiet">${entry.actorId.slice(-6)}</span>`;
}

const VERBS = /** @type {Record<string, string>} */ ({ post: "add", patch: "change", delete: "delete" });

/** A route's name (`post-webhooks-id-test`) as words. @param {string} action */
function words(action) {
  const [method, noun, ...rest] = action.split("-").filter((part) => part !== "id");
  return `${(noun ?? action)[0].toUpperCase()}${(noun ?? action).slice(1)}: ${rest.join(" ") || VERBS[method] || method}`;
}
