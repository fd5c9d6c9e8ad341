// Keys for programs: made, shown once, revoked.
import { post, remove } from "../core/api.js";
import { ago, day } from "../core/format.js";
import { useList } from "../core/load.js";
import { person } from "../core/store.js";
import { html, useState } from "../core/ui.js";
import { Button, Code } from "../parts/button.js";
import { Dialog, confirm } from "../parts/dialog.js";
import { Check, Select, TextField, Toggle, wrongIn } from "../parts/field.js";
import { Card } from "../parts/page.js";
import { Badge, Empty, Listed, Note, Problem } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { useForm } from "./form.js";

const SCOPES = /** @type {[string, string][]} */ ([
  ["chat", "Ask chatbots"],
  ["knowledge", "Read and change knowledge"],
  ["conversations", "Read and answer conversations"],
  ["webhooks", "Set up webhooks"],
  ["admin", "Everything, the account included"],
]);
const LASTS = /** @type {[string, string][]} */ ([["", "Never"], ["30", "In 30 days"], ["90", "In 90 days"], ["365", "In a year"]]);
const DAY = 86_400_000; // ms

export function Keys() {
  const list = useList("keys");
  const [making, make] = useState(false);
  const [made, show] = useState(/** @type {any} */ (null));
  const done = (/** @type {any} */ key) => (make(false), show(key), list.reload(true));
  const revoke = (/** @type {any} */ key) => confirm({
    title: `Revoke “${key.name}”?`, text: "Programs that use it are refused within a second.", action: "Revoke", danger: true,
    do: async () => {
      await remove(`keys/${key.id}`);
      list.change((/** @type {any[]} */ all) => all.filter((one) => one.id !== key.id));
      toast("The key is revoked.");
    },
  });
  const button = html`<${Button} kind="main" icon="plus" act=${() => make(true)}>New key<//>`;
  return html`<${Card} bare title="API keys" text=${html`For your own programs; see the <a href="/docs">API reference</a>. Websites don't need one: the widget has none.`} actions=${button}>
    <${Listed} list=${list} empty=${html`<${Empty} icon="key" title="No keys" text="Make one to use the API from your servers.">${button}<//>`}>
      <div class="scroll" tabindex="0" role="region" aria-label="API keys"><table class="grid"><thead><tr><th>Name</th><th>Key</th><th>May</th><th>Last used</th><th>Expires</th><th><span class="hush">Actions</span></th></tr></thead>
        <tbody>${list.items.map((key) => html`<tr key=${key.id}>
          <td><div><span class="strong">${key.name}</span> ${key.test && html`<${Badge}>test<//>`}<span class="small quiet" style=${{ display: "block" }}>${ago(key.createdAt)}${person(key.userId) ? `, ${person(key.userId).name || person(key.userId).email}` : ""}</span></div></td>
          <td class="mono" data-of="Key">${key.prefix}…</td>
          <td data-of="May"><span class="row wrap">${key.scopes.map((/** @type {string} */ scope) => html`<${Badge}>${scope}<//>`)}</span></td>
          <td data-of="Last used">${ago(key.lastUsedAt)}</td><td data-of="Expires">${expiry(key.expiresAt)}</td>
          <td class="end"><${Button} kind="small danger" act=${() => revoke(key)} aria-label=${`Revoke ${key.name}`}>Revoke<//></td></tr>`)}</tbody></table></div>
    <//>
    ${making && html`<${Make} close=${() => make(false)} made=${done} />`}
    ${made && html`<${Made} made=${made} close=${() => show(null)} />`}
  <//>`;
}

/** @param {string | null} at */
const expiry = (at) => (!at ? "never" : Date.parse(at) < Date.now() ? html`<${Badge} kind="bad">expired<//>` : day(at));

/** @param {{close: () => void, made: (key: any) => void}} of */
function Make({ close, made }) {
  const form = useForm({ name: "", scopes: ["chat", "knowledge", "conversations"], lasts: "", test: false }, async ({ name, scopes, lasts, test }) => {
    if (!scopes.length) throw new Error("Choose at least one thing that it may do.");
    made(await post("keys", { name, scopes, test, ...(lasts ? { expiresAt: new Date(Date.now() + Number(lasts) * DAY).toISOString() } : {}) }));
  });
  const { values, put, error } = form;
  const toggle = (/** @type {string} */ scope) => (/** @type {boolean} */ on) => put("scopes")(on ? [...values.scopes, scope] : values.scopes.filter((/** @type {string} */ s) => s !== scope));
  return html`<${Dialog} title="New API key" close=${close}
    footer=${html`<${Button} act=${close}>Cancel<//><${Button} kind="main" type="submit" form="make-key" busy=${form.busy}>Make the key<//>`}>
    <form id="make-key" class="stack" onSubmit=${form.submit}>
      <${TextField} label="Name" required maxlength="200" placeholder="CRM sync" value=${values.name} set=${put("name")} wrong=${wrongIn(error, "name")} />
      <fieldset class="field"><legend class="strong">It may</legend><div class="options">
        ${SCOPES.map(([scope, text]) => html`<${Check} label=${text} value=${values.scopes.includes(scope)} set=${toggle(scope)} />`)}</div></fieldset>
      <${Select} label="Expires" value=${values.lasts} set=${put("lasts")} options=${LASTS} />
      <${Toggle} label="A test key" hint="Told apart by ck_test_ at its beginning." value=${values.test} set=${put("test")} />
      ${error && error.details?.field !== "name" && html`<${Problem} error=${error} />`}
    </form><//>`;
}

/** @param {{made: any, close: () => void}} of */
const Made = ({ made, close }) => html`<${Dialog} title=${`The key “${made.name}”`} close=${close} footer=${html`<${Button} kind="main" act=${close}>I have stored it<//>`}>
  <div class="stack"><${Note} kind="warn" icon="alert">It is shown this once. Store it where your program finds it, and nowhere public.<//><${Code} text=${made.key} /></div><//>`;
