import { get, post } from "../core/api.js";
import { html, useState } from "../core/ui.js";
import { Button, Code } from "../parts/button.js";
import { confirm } from "../parts/dialog.js";
import { Toggle } from "../parts/field.js";
import { Card } from "../parts/page.js";
import { Note } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { Lines } from "./lines.js";

/** @param {{draft: any, bot: any}} of */
export function Access({ draft: { change, wrong }, bot }) {
  const { widget } = bot;
  return html`
    <div class="stack loose narrow">
      <${Card} title="Widget"><${Toggle} label="The widget is on" hint="Off, it doesn't show up on any page; the API still answers." value=${widget.enabled} set=${(/** @type {boolean} */ v) => change("widget.enabled", v)} /><//>
      <${Card} title="Sites that may show it"><div class="stack">
        <${Lines} label="Allowed origins" ltr most=${100} placeholder="https://www.example.com" value=${widget.allowedOrigins} set=${(/** @type {string[]} */ v) => change("widget.allowedOrigins", v)} wrong=${wrong("widget.allowedOrigins")} hint="Also https://*.example.com for all subdomains." />
        ${widget.allowedOrigins.length === 0 && html`<${Note} kind="warn" icon="alert">The list is empty: any site may show this chatbot.<//>`}
      </div><//>
      <${Card} title="Identity" text="Your server proves who a visitor is, so that a conversation follows them between devices."><div class="stack">
        <${Toggle} label="Only visitors with a proof may chat" value=${widget.requireIdentity} set=${(/** @type {boolean} */ v) => change("widget.requireIdentity", v)} />
        <${Secret} id=${bot.id} />
      </div><//>
    </div>`;
}

/** @param {{id: string}} of */
function Secret({ id }) {
  const [secret, show] = useState("");
  const rotate = async () => {
    const done = await confirm({
      title: "Replace the identity secret?",
      text: "Proofs made with the present secret stop working at once. Put the new one on your server right after.",
      action: "Replace it",
      danger: true,
      do: async () => show((await post(`chatbots/${id}/identity`)).secret),
    });
    if (done) toast("The secret is replaced. Proofs made with the old one no longer count.");
  };
  return html`
    <div class="stack">
      ${secret && html`<${Code} text=${secret} label="Copy secret" />
        <p class="small quiet">On your server: hex of HMAC-SHA256 of the user's id with this secret. On the page:</p>
        <${Code} text=${"Chattery.identify({ userId, userHash })"} />`}
      <div class="row wrap">${!secret && html`<${Button} icon="eye" act=${async () => show((await get(`chatbots/${id}/identity`)).secret)}>Show the secret<//>`}
        <${Button} kind="danger" icon="refresh" act=${rotate}>Replace it<//></div>
    </div>`;
}
