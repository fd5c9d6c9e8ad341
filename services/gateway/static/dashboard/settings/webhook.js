// One endpoint: how it does, what was sent to it, and what can be done about it.
import { get, patch, post, remove } from "../core/api.js";
import { ago, at, count, duration } from "../core/format.js";
import { useLoad } from "../core/load.js";
import { go, href } from "../core/router.js";
import { chatbot } from "../core/store.js";
import { html, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Dialog, confirm } from "../parts/dialog.js";
import { Select, TextField } from "../parts/field.js";
import { Menu } from "../parts/menu.js";
import { Card, Page } from "../parts/page.js";
import { Badge, Loaded, Note, Problem } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { Deliveries } from "./deliveries.js";
import { EVENTS, EndpointForm } from "./endpoint-form.js";
import { useForm } from "./form.js";
import { On, Secret } from "./webhooks.js";

/** @param {{id: string, query: Record<string, string>}} of */
export function Webhook({ id, query }) {
  const load = useLoad((signal) => get(`webhooks/${id}`, {}, signal), [id]);
  const [open, show] = useState("");
  const [secret, tell] = useState(/** @type {any} */ (null));
  const [round, again] = useState(0);
  const it = load.data;
  const change = async (/** @type {any} */ body) => load.put(await patch(`webhooks/${id}`, body));
  const shut = () => show("");
  const test = async (/** @type {string} */ event) => {
    await post(`webhooks/${id}/test`, { event });
    toast("A sample is on its way; see it below.");
    again((n) => n + 1);
  };
  return html`
    <${Page} title=${it ? html`<span dir="auto">${it.description || it.url}</span>` : "Webhook"} text=${it?.description ? it.url : ""} back=${{ href: href("settings/webhooks"), label: "Webhooks" }}
      actions=${it && html`
        <${Menu} label="Send a sample" style="button" button="Send a sample" items=${EVENTS.map(([name, label]) => ({ label, act: () => test(name).catch((error) => toast(error.message, { bad: true })) }))} />
        <${Menu} label="Actions" style="button square" items=${items(it, { change, show, tell })} />`}>
      <${Loaded} of=${load}>${(/** @type {any} */ endpoint) => html`<div class="stack wide">
        ${endpoint.disabledReason && html`<${Note} kind="warn" icon="alert">Disabled: ${endpoint.disabledReason} <${Button} kind="small" act=${async () => (await change({ enabled: true }), toast("It is on again."))}>Switch it on<//><//>`}
        <${Facts} endpoint=${endpoint} />
        <${Deliveries} id=${id} query=${query} round=${round} />
      </div>`}<//>
      ${open === "edit" && html`<${EndpointForm} title="Change the endpoint" action="Save" endpoint=${it} close=${shut} send=${async (/** @type {any} */ body) => (await change(body), shut(), toast("Saved."))} />`}
      ${open === "rotate" && html`<${Rotate} id=${id} close=${shut} made=${(/** @type {any} */ made) => (shut(), tell(made))} />`}
      ${open === "replay" && html`<${Replay} id=${id} close=${shut} done=${() => (shut(), again((n) => n + 1))} />`}
      ${secret && html`<${Secret} endpoint=${secret} close=${() => tell(null)} />`}
    <//>`;
}

/** @param {any} it @param {{change: (body: any) => Promise<void>, show: (what: string) => void, tell: (secret: any) => void}} by */
function items(it, { change, show, tell }) {
  const told = (/** @type {Promise<any>} */ doing) => doing.catch((error) => toast(error.message, { bad: true }));
  return [
    { label: "Change…", icon: "edit", act: () => show("edit") },
    it.enabled
      ? { label: "Switch off…", icon: "close", act: () => confirm({
          title: "Switch this endpoint off?", text: "What happens meanwhile is not sent to it, also not later.", action: "Switch off",
          do: async () => (await change({ enabled: false }), toast("It is off. Nothing is sent to it.")) }) }
      : { label: "Switch on", icon: "check", act: () => told(change({ enabled: true }).then(() => toast("It is on."))) },
    { label: "Show the secret", icon: "eye", act: () => told(get(`webhooks/${it.id}/secret`).then(tell)) },
    { label: "Rotate the secret…", icon: "refresh", act: () => show("rotate") },
    { label: "Send again…", icon: "send", act: () => show("replay") },
    { label: "Delete…", icon: "trash", danger: true, act: () => confirm({
      title: "Delete this endpoint?", text: "Nothing more is sent to it; its log is deleted.", action: "Delete", danger: true,
      do: async () => (await remove(`webhooks/${it.id}`), toast("Deleted."), go("settings/webhooks", { replace: true })) }) },
  ];
}

/** @param {{endpoint: any}} of */
const Facts = ({ endpoint: { stats, ...it } }) => html`<${Card}><dl class="facts">
  <div><dt>State</dt><dd><${On} endpoint=${it} /></dd></div>
  <div><dt>Sent in a day</dt><dd>${count(stats.succeeded)}</dd></div>
  <div><dt>Failed in a day</dt><dd>${count(stats.failed)}</dd></div>
  <div><dt>Waiting</dt><dd>${count(stats.pending)}</dd></div>
  <div><dt>It takes</dt><dd>${duration(stats.averageMs)}</dd></div>
  <div><dt>Last success</dt><dd title=${stats.lastSuccessAt ? at(stats.lastSuccessAt) : ""}>${ago(stats.lastSuccessAt)}</dd></div>
  <div><dt>Of</dt><dd>${it.chatbotId ? chatbot(it.chatbotId)?.name ?? it.chatbotId : "All chatbots"}</dd></div>
  <div><dt>Order</dt><dd>${it.ordering === "conversation" ? "Kept within a conversation" : "Not kept"}</dd></div>
  <div class="long"><dt>Events</dt><dd class="row wrap">${it.events.map((/** @type {string} */ event) => html`<${Badge}>${event}<//>`)}</dd></div>
</dl><//>`;

/** @param {{id: string, close: () => void, made: (endpoint: any) => void}} of */
function Rotate({ id, close, made }) {
  const form = useForm({ hours: "24" }, async ({ hours }) => made(await post(`webhooks/${id}/rotate`, { graceHours: Number(hours) })));
  return html`<${Dialog} title="Rotate the secret" close=${close} footer=${html`<${Button} act=${close}>Cancel<//><${Button} kind="main" type="submit" form="rotate" busy=${form.busy}>Rotate<//>`}>
    <form id="rotate" class="stack" onSubmit=${form.submit}>
      <p class="quiet">A new secret signs from now on. For a while the old one signs beside it, so that your server can change over.</p>
      <${Select} label="The old one works for" value=${form.values.hours} set=${form.put("hours")} options=${[["0", "Not at all: it has leaked"], ["1", "An hour"], ["24", "A day"], ["168", "A week"]]} />
      ${form.error && html`<${Problem} error=${form.error} />`}</form><//>`;
}

/** @param {{id: string, close: () => void, done: () => void}} of */
function Replay({ id, close, done }) {
  const local = (/** @type {number} */ ms) => new Date(ms - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  const form = useForm({ from: local(Date.now() - 86_400_000), to: local(Date.now() + 60_000), status: "failed" }, async ({ from, to, status }) => {
    const { count: found } = await post(`webhooks/${id}/replay`, { from: new Date(from).toISOString(), to: new Date(to).toISOString(), status });
    toast(found ? `${count(found)} are sent again.` : "There was nothing to send again.");
    done();
  });
  const { values, put } = form;
  return html`<${Dialog} title="Send again" close=${close} footer=${html`<${Button} act=${close}>Cancel<//><${Button} kind="main" type="submit" form="replay" busy=${form.busy}>Send again<//>`}>
    <form id="replay" class="stack" onSubmit=${form.submit}>
      <div class="pair"><${TextField} label="From" type="datetime-local" required value=${values.from} set=${put("from")} /><${TextField} label="To" type="datetime-local" required value=${values.to} set=${put("to")} /></div>
      <${Select} label="Which" value=${values.status} set=${put("status")} options=${[["failed", "Those that failed"], ["all", "All of them"]]} />
      <p class="small quiet">They keep their <span class="mono">webhook-id</span>, so that your server knows what it has had.</p>
      ${form.error && html`<${Problem} error=${form.error} />`}</form><//>`;
}
