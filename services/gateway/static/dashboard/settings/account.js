// The account: its name, and its end.
import { call, get, patch } from "../core/api.js";
import { day } from "../core/format.js";
import { useLoad } from "../core/load.js";
import { chatbots, me } from "../core/store.js";
import { href } from "../core/router.js";
import { html } from "../core/ui.js";
import { Button, Copy } from "../parts/button.js";
import { confirm } from "../parts/dialog.js";
import { TextField } from "../parts/field.js";
import { Card } from "../parts/page.js";
import { Loaded, Problem } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { useForm } from "./form.js";

export function Account() {
  const load = useLoad((signal) => get("account", {}, signal), []);
  return html`<${Loaded} of=${load}>${(/** @type {any} */ account) => html`<div class="stack loose narrowed">
    <${Name} account=${account} put=${load.put} /><${Retention} /><${End} account=${account} /></div>`}<//>`;
}

/** @param {{account: any, put: (account: any) => void}} of */
function Name({ account, put }) {
  const form = useForm({ name: account.name }, async ({ name }) => {
    put(await patch("account", { name }));
    me.value = { ...me.value, accountName: name };
    toast("Saved.");
  });
  return html`<${Card} title="Account" text=${`Since ${day(account.createdAt)}`}>
    <form class="stack" onSubmit=${form.submit}>
      <${TextField} label="Name" required maxlength="200" value=${form.values.name} set=${form.put("name")} />
      <div class="row wrap"><span class="small quiet">Account id <span class="mono">${account.id}</span></span><${Copy} text=${account.id} kind="bare small" /></div>
      ${form.error && html`<${Problem} error=${form.error} />`}
      <div><${Button} type="submit" kind="main" busy=${form.busy} disabled=${form.values.name === account.name}>Save<//></div>
    </form><//>`;
}

/** How long conversations are kept is set for each chatbot. */
const Retention = () => html`<${Card} bare title="How long conversations are kept" text="Older ones are deleted with their messages; set it at each chatbot.">
  <ul class="list">${(chatbots.value ?? []).map((bot) => html`<li key=${bot.id}><a class="item" href=${href(`chatbots/${bot.id}/limits`)}>
    <span class="grow cut">${bot.name}</span><span class="quiet">${bot.retentionDays ? `${bot.retentionDays} days` : "For ever"}</span></a></li>`)}</ul><//>`;

/** @param {{account: any}} of */
function End({ account }) {
  if (me.value.user.role !== "owner") return null;
  const end = () => confirm({
    title: "Delete this account?", text: "All chatbots, knowledge, conversations, webhooks, keys and people of it are deleted for good. You are logged out at once.",
    action: "Delete everything", danger: true, typed: account.name,
    do: async () => {
      await call("DELETE", "account");
      me.value = null;
    },
  });
  return html`<${Card} title="Delete the account" text="With everything in it, for good.">
    <${Button} kind="danger" icon="trash" act=${end}>Delete the account…<//><//>`;
}
