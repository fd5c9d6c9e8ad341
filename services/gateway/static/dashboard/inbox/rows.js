import { ago, at, visitor } from "../core/format.js";
import { href } from "../core/router.js";
import { chatbot, chatbots, person } from "../core/store.js";
import { html } from "../core/ui.js";
import { Badge } from "../parts/states.js";

export const STATUS = /** @type {Record<string, [string, string]>} */ ({
  escalated: ["warn", "Waiting"],
  open: ["accent", "With the bot"],
  resolved: ["good", "Resolved"],
});

/** @param {{status: string}} of */
export const Status = ({ status }) => html`<${Badge} kind=${STATUS[status][0]} dot>${STATUS[status][1]}<//>`;

/** @param {{conversation: any, on: boolean, news: boolean, query: Record<string, string>}} of */
export function Row({ conversation: c, on, news, query }) {
  const who = person(c.assigneeId);
  const many = (chatbots.value?.length ?? 0) > 1;
  const when = c.lastMessageAt ?? c.createdAt;
  return html`
    <li><a class=${`talk ${news ? "news" : ""}`} href=${href(`inbox/${c.id}`, query)} aria-current=${on ? "true" : undefined} data-id=${c.id}>
      <span class="row between"><span class="cut who-name">${visitor(c.visitorId)}${news && html`<span class="hush"> (new message)</span>`}</span>
        <time class="tiny quiet num" datetime=${when} title=${at(when)}>${ago(when)}</time></span>
      <span class="preview" dir="auto">${c.preview || "No messages yet"}</span>
      <span class="row wrap marks"><${Status} status=${c.status} />
        ${many && html`<span class="tiny quiet cut">${chatbot(c.chatbotId)?.name ?? ""}</span>`}
        ${who && html`<span class="tiny quiet cut">→ ${who.name || who.email}</span>`}
        ${c.tags.slice(0, 2).map((/** @type {string} */ tag) => html`<${Badge}><span class="cut" dir="auto">${tag}</span><//>`)}</span>
    </a></li>`;
}
