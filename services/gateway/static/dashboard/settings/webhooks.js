// Where events are sent to.
import { get, post } from "../core/api.js";
import { ago, count, duration } from "../core/format.js";
import { useList, useLoad } from "../core/load.js";
import { go, href } from "../core/router.js";
import { chatbot } from "../core/store.js";
import { html, useState } from "../core/ui.js";
import { Button, Code } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { Card } from "../parts/page.js";
import { Badge, Empty, Listed, Note } from "../parts/states.js";
import { EndpointForm } from "./endpoint-form.js";

export function Webhooks() {
  const list = useList("webhooks");
  const notices = useLoad((signal) => get("notices", { limit: 5 }, signal), []);
  const [making, make] = useState(false);
  const [made, show] = useState(/** @type {any} */ (null));
  const button = html`<${Button} kind="main" icon="plus" act=${() => make(true)}>Add an endpoint<//>`;
  const send = async (/** @type {any} */ body) => {
    const endpoint = await post("webhooks", body);
    make(false);
    show(endpoint);
    list.reload(true);
  };
  return html`<div class="stack loose">
    ${(notices.data?.data ?? []).map((/** @type {any} */ notice) => html`<${Note} kind="warn" icon="alert" key=${notice.id}>${notice.message} <span class="small">${ago(notice.createdAt)}</span><//>`)}
    <${Card} bare title="Webhooks" text="Events are sent to your servers, signed, in order within a conversation, and tried again for three days." actions=${button}>
      <${Listed} list=${list} empty=${html`<${Empty} icon="hook" title="No endpoints" text="Add the address of a server of yours to hear of conversations, messages, feedback and calls for a person.">${button}<//>`}>
        <ul class="list">${list.items.map((one) => html`<li key=${one.id}><a class="item" href=${href(`settings/webhooks/${one.id}`)}>
          <span class="grow"><span class="strong cut" style=${{ display: "block" }}>${one.description || one.url}</span><span class="small quiet cut" style=${{ display: "block" }}>${one.description ? `${one.url} · ` : ""}${one.chatbotId ? chatbot(one.chatbotId)?.name ?? "one chatbot" : "all chatbots"}, ${one.events.length === 5 ? "all events" : one.events.join(", ")}</span></span>
          <span class="small quiet">${count(one.stats.succeeded)} sent${one.stats.failed ? `, ${count(one.stats.failed)} failed` : ""}${one.stats.averageMs ? ` · ${duration(one.stats.averageMs)}` : ""}</span>
          <${On} endpoint=${one} /></a></li>`)}</ul>
      <//><//>
    ${making && html`<${EndpointForm} title="Add an endpoint" action="Add" close=${() => make(false)} send=${send} />`}
    ${made && html`<${Secret} endpoint=${made} close=${() => (show(null), go(`settings/webhooks/${made.id}`))} />`}
  </div>`;
}

/** @param {{endpoint: any}} of */
export const On = ({ endpoint }) => (endpoint.enabled
  ? html`<${Badge} kind="good" dot>On<//>`
  : html`<${Badge} kind=${endpoint.disabledReason ? "bad" : ""} dot>${endpoint.disabledReason ? "Disabled" : "Off"}<//>`);

/** @param {{endpoint: any, close: () => void}} of */
export const Secret = ({ endpoint, close }) => html`<${Dialog} title="The signing secret" close=${close} footer=${html`<${Button} kind="main" act=${close}>Done<//>`}>
  <div class="stack"><p>Check <span class="mono">X-Chattery-Signature</span> with it: HMAC-SHA256 of the raw body, in hex.</p><${Code} text=${endpoint.secret} />
  ${endpoint.previousUntil && html`<${Note}>The old secret signs beside it until ${ago(endpoint.previousUntil)}.<//>`}</div><//>`;
