// What was sent to an endpoint, each attempt with what came back.
import { get, post } from "../core/api.js";
import { ago, at, duration, plural } from "../core/format.js";
import { useList, useLoad } from "../core/load.js";
import { ask } from "../core/router.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { Select } from "../parts/field.js";
import { Card } from "../parts/page.js";
import { Badge, Empty, Listed, Loaded } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { EVENTS } from "./endpoint-form.js";

const LOOK = 2_000; // ms
const STATES = /** @type {Record<string, [string, string]>} */ ({
  pending: ["Waiting", "warn"],
  delivering: ["Sending", "accent"],
  succeeded: ["Taken", "good"],
  failed: ["Failed", "bad"],
  cancelled: ["Cancelled", ""],
});
/** @param {any} delivery */
const moving = (delivery) => delivery.status === "pending" || delivery.status === "delivering";

/** @param {{status: string}} of */
const State = ({ status }) => html`<${Badge} kind=${STATES[status]?.[1] ?? ""} dot>${STATES[status]?.[0] ?? status}<//>`;

/** @param {{id: string, query: Record<string, string>, round: number}} of */
export function Deliveries({ id, query, round }) {
  const { status = "", event = "", delivery } = query;
  const list = useList(`webhooks/${id}/deliveries`, { status, event });
  const latest = useRef(list);
  latest.current = list;
  const waits = list.items.length <= 30 && list.items.some((one) => moving(one) && Date.parse(one.nextAttemptAt ?? one.createdAt) < Date.now() + 15_000);
  useEffect(() => {
    if (round) list.reload(true);
  }, [round]);
  useEffect(() => {
    if (!waits) return;
    const timer = setInterval(() => document.hidden || latest.current.reload(true), LOOK);
    return () => clearInterval(timer);
  }, [waits]);
  return html`<${Card} bare title="Deliveries" actions=${html`
      <${Select} label="State" hidden small value=${status} set=${(/** @type {string} */ v) => ask({ status: v })} options=${[["", "Any state"], ...Object.entries(STATES).map(([key, [name]]) => [key, name])]} />
      <${Select} label="Event" hidden small value=${event} set=${(/** @type {string} */ v) => ask({ event: v })} options=${[["", "Any event"], ...EVENTS.map(([name]) => [name, name])]} />`}>
    <${Listed} list=${list} empty=${html`<${Empty} icon="send" title="Nothing was sent" text=${status || event ? "Nothing fits these filters." : "Send a sample to see how it arrives."} />`}>
      <ul class="list">${list.items.map((one) => html`<li key=${one.id}><button class="item plain" type="button" onClick=${() => ask({ delivery: one.id })}>
        <span class="grow"><span class="strong">${one.event}</span><span class="small quiet mono cut" style=${{ display: "block" }}>${one.eventId}</span></span>
        <span class="small quiet">${result(one)}</span><${State} status=${one.status} /><span class="small quiet when" title=${at(one.createdAt)}>${ago(one.createdAt)}</span></button></li>`)}</ul>
    <//>
    ${delivery && html`<${Delivery} id=${delivery} close=${() => ask({ delivery: undefined })} fresh=${() => list.reload(true)} />`}<//>`;
}

/** @param {any} one */
function result(one) {
  const last = one.attempts.at(-1);
  if (!last) return "";
  const said = last.status ?? last.error ?? "no answer";
  return `${said} in ${duration(last.ms)}${one.attempts.length > 1 ? ` · ${plural(one.attempts.length, "attempt")}` : ""}`;
}

/** @param {{id: string, close: () => void, fresh: () => void}} of */
function Delivery({ id, close, fresh }) {
  const [round, again] = useState(0);
  const load = useLoad((signal) => get(`webhooks/deliveries/${id}`, {}, signal), [id, round]);
  const waits = load.data && moving(load.data) && Date.parse(load.data.nextAttemptAt ?? load.data.createdAt) < Date.now() + 15_000;
  useEffect(() => {
    if (!waits) return;
    const timer = setInterval(load.reload, LOOK);
    return () => clearInterval(timer);
  }, [waits]);
  const redeliver = async () => {
    await post(`webhooks/deliveries/${id}/redeliver`);
    toast("It is sent again.");
    again((n) => n + 1);
    fresh();
  };
  return html`<${Dialog} title="Delivery" wide close=${close}
    footer=${html`<${Button} act=${close}>Close<//><${Button} kind="main" icon="send" act=${redeliver} disabled=${!load.data || moving(load.data)}>Send again<//>`}>
    <${Loaded} of=${load}>${(/** @type {any} */ one) => html`<div class="stack">
      <dl class="facts"><div><dt>State</dt><dd><${State} status=${one.status} /></dd></div><div><dt>Event</dt><dd>${one.event}</dd></div>
        <div><dt>Since</dt><dd>${at(one.createdAt)}</dd></div>${one.nextAttemptAt && moving(one) && html`<div><dt>Next attempt</dt><dd title=${at(one.nextAttemptAt)}>${ago(one.nextAttemptAt)}</dd></div>`}
        <div class="long"><dt>webhook-id</dt><dd class="mono cut">${one.eventId}</dd></div></dl>
      ${one.attempts.length === 0 && html`<p class="quiet">Not tried yet.</p>`}
      <ol class="attempts">${one.attempts.map((/** @type {any} */ attempt, /** @type {number} */ i) => html`<li key=${i}><${Attempt} number=${i + 1} attempt=${attempt} open=${i === one.attempts.length - 1} /></li>`)}</ol>
    </div>`}<//><//>`;
}

/** @param {{number: number, attempt: any, open: boolean}} of */
const Attempt = ({ number, attempt, open }) => html`<details open=${open}>
  <summary><span class="strong">Attempt ${number}</span> <${Badge} kind=${attempt.status >= 200 && attempt.status < 300 ? "good" : "bad"}>${attempt.status ?? "no answer"}<//>
    <span class="small quiet">${duration(attempt.ms)} · ${at(attempt.at)}</span></summary>
  <div class="stack tight">
    ${attempt.error && html`<p class="small wrong">${attempt.error}</p>`}
    ${Object.keys(attempt.responseHeaders).length > 0 && html`<pre class="dump" tabindex="0" aria-label="Headers of the answer">${Object.entries(attempt.responseHeaders).map(([name, value]) => `${name}: ${value}`).join("\n")}</pre>`}
    ${attempt.responseBody && html`<pre class="dump" tabindex="0" aria-label="Body of the answer">${attempt.responseBody}</pre>`}
  </div></details>`;
