// An endpoint's settings, when it is added and when it is changed.
import { chatbots } from "../core/store.js";
import { html } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { Check, Select, TextArea, TextField, Toggle, wrongIn } from "../parts/field.js";
import { Problem } from "../parts/states.js";
import { useForm } from "./form.js";

/** @type {[string, string][]} */
export const EVENTS = [
  ["new_conversation", "A visitor starts a conversation"],
  ["new_message", "A visitor or the bot writes"],
  ["escalation", "A person is called for"],
  ["feedback_received", "A visitor rates an answer"],
  ["admin_reply", "A person answers"],
];

/** @param {Record<string, string>} headers */
const written = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("\n");

/** @param {string} text */
function read(text) {
  const pairs = text.split("\n").filter((line) => line.trim()).map((line) => {
    const [name, ...rest] = line.split(":");
    if (!rest.length) throw Object.assign(new Error("Write one header a line, as Name: value."), { details: { field: "headers" } });
    return [name.trim(), rest.join(":").trim()];
  });
  return Object.fromEntries(pairs);
}

/** @param {{title: string, action: string, endpoint?: any, close: () => void, send: (body: any) => Promise<void>}} of */
export function EndpointForm({ title, action, endpoint, close, send }) {
  const initial = {
    url: endpoint?.url ?? "",
    description: endpoint?.description ?? "",
    events: endpoint?.events ?? EVENTS.map(([name]) => name),
    chatbotId: endpoint?.chatbotId ?? "",
    ordered: (endpoint?.ordering ?? "conversation") === "conversation",
    rateLimit: endpoint?.rateLimit ?? "",
    headers: written(endpoint?.headers ?? {}),
  };
  const form = useForm(initial, async ({ url, description, events, chatbotId, ordered, rateLimit, headers }) => {
    if (!events.length) throw new Error("Choose at least one event.");
    await send({
      url: url.trim(), description, events, chatbotId: chatbotId || null, headers: read(headers),
      ordering: ordered ? "conversation" : "none", rateLimit: rateLimit === "" ? null : Number(rateLimit),
    });
  });
  const { values, put, error } = form;
  const toggle = (/** @type {string} */ event) => (/** @type {boolean} */ on) => put("events")(on ? [...values.events, event] : values.events.filter((/** @type {string} */ e) => e !== event));
  const known = ["url", "headers", "rateLimit"].includes(error?.details?.field);
  return html`<${Dialog} title=${title} close=${close} wide
    footer=${html`<${Button} act=${close}>Cancel<//><${Button} kind="main" type="submit" form="endpoint" busy=${form.busy}>${action}<//>`}>
    <form id="endpoint" class="stack" onSubmit=${form.submit}>
      <${TextField} label="Address" type="url" dir="ltr" required placeholder="https://example.com/hooks/chattery" value=${values.url} set=${put("url")} wrong=${wrongIn(error, "url")} />
      <${TextField} label="What it is" maxlength="500" placeholder="CRM" value=${values.description} set=${put("description")} />
      <fieldset class="field"><legend class="strong">Events</legend><div class="options">
        ${EVENTS.map(([name, text]) => html`<${Check} label=${html`${text} <span class="mono small quiet">${name}</span>`} value=${values.events.includes(name)} set=${toggle(name)} />`)}</div></fieldset>
      <${Select} label="Of" value=${values.chatbotId} set=${put("chatbotId")} options=${[["", "All chatbots"], ...(chatbots.value ?? []).map((bot) => [bot.id, bot.name])]} />
      <details class="more-options"><summary>More</summary><div class="stack">
        <${Toggle} label="In order within a conversation" hint="What fails holds back what follows in its conversation, until it was taken." value=${values.ordered} set=${put("ordered")} />
        <${TextField} label="Deliveries a second at most" type="number" min="1" max="10000" inputmode="numeric" placeholder="No limit" value=${values.rateLimit} set=${put("rateLimit")} wrong=${wrongIn(error, "rateLimit")} />
        <${TextArea} label="Headers of your own" dir="ltr" rows="3" placeholder="X-Token: …" value=${values.headers} set=${put("headers")} wrong=${wrongIn(error, "headers")} />
      </div></details>
      ${error && !known && html`<${Problem} error=${error} />`}
    </form><//>`;
}
