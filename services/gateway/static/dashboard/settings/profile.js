// Oneself: name, password, where one is logged in.
import { get, patch, post, remove } from "../core/api.js";
import { ago } from "../core/format.js";
import { useLoad } from "../core/load.js";
import { logOut, may, me, theme } from "../core/store.js";
import { html } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { confirm } from "../parts/dialog.js";
import { Select, TextField, wrongIn } from "../parts/field.js";
import { Card } from "../parts/page.js";
import { Badge, Loaded, Problem } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { useForm } from "./form.js";

const SHORTEST = 10; // characters of a password

export const Profile = () => html`<div class="stack loose narrowed">
  <${Person} /><${Password} /><${Sessions} /></div>`;

function Person() {
  const { user } = me.value;
  const form = useForm({ name: user.name }, async ({ name }) => {
    const changed = await patch(`users/${user.id}`, { name });
    me.value = { ...me.value, user: changed };
    toast("Saved.");
  });
  return html`<${Card} title="You" text=${user.email}>
    <form class="stack" onSubmit=${form.submit}>
      ${may("admin") && html`<${TextField} label="Name" maxlength="200" autocomplete="name" value=${form.values.name} set=${form.put("name")} hint="Visitors see it beside your replies." wrong=${wrongIn(form.error, "name")} />`}
      <${Select} label="Colours" value=${theme.value} set=${(/** @type {string} */ v) => (theme.value = v)} options=${[["auto", "Like the system"], ["light", "Light"], ["dark", "Dark"]]} />
      ${form.error && html`<${Problem} error=${form.error} />`}
      ${may("admin") && html`<div><${Button} type="submit" kind="main" busy=${form.busy} disabled=${form.values.name === user.name}>Save<//></div>`}
    </form><//>`;
}

function Password() {
  const form = useForm({ current: "", password: "", again: "" }, async ({ current, password, again }) => {
    if (password !== again) throw Object.assign(new Error("The two new passwords differ."), { details: { field: "again" } });
    await post("auth/password", { current, password });
    form.set({ current: "", password: "", again: "" });
    toast("The password is changed. Your other sessions are ended.");
  });
  const { values, put, error } = form;
  const known = ["current", "password", "again"].includes(error?.details?.field);
  return html`<${Card} title="Password">
    <form class="stack" onSubmit=${form.submit}>
      <input class="hush" type="text" autocomplete="username" value=${me.value.user.email} readonly tabindex="-1" aria-hidden="true" />
      <${TextField} label="Now" type="password" required autocomplete="current-password" value=${values.current} set=${put("current")} wrong=${wrongIn(error, "current")} />
      <${TextField} label="New" type="password" required minlength=${SHORTEST} autocomplete="new-password" value=${values.password} set=${put("password")} wrong=${wrongIn(error, "password")} />
      <${TextField} label="New, once more" type="password" required autocomplete="new-password" value=${values.again} set=${put("again")} wrong=${wrongIn(error, "again")} />
      ${error && !known && html`<${Problem} error=${error} />`}
      <div><${Button} type="submit" busy=${form.busy}>Change the password<//></div>
    </form><//>`;
}

function Sessions() {
  const load = useLoad((signal) => get("auth/sessions", {}, signal), []);
  const end = (/** @type {any} */ one) => confirm({
    title: one.current ? "Log out here?" : "End this session?",
    text: one.current ? "" : "Whoever uses it has to log in again.",
    action: one.current ? "Log out" : "End it",
    danger: !one.current,
    do: async () => {
      if (one.current) return logOut();
      await remove(`auth/sessions/${one.id}`);
      toast("The session is ended.");
      load.reload();
    },
  });
  return html`<${Card} bare title="Where you are logged in">
    <${Loaded} of=${load}>${(/** @type {any} */ { data }) => html`<ul class="list">${data.map((/** @type {any} */ one) => html`
      <li class="item" key=${one.id}><span class="grow"><span class="strong">${browser(one.agent)}</span> ${one.current && html`<${Badge} kind="good">This one<//>`}
        <span class="small quiet" style=${{ display: "block" }}>${one.ip} · seen ${ago(one.seenAt)}</span></span>
        <${Button} kind="small" act=${() => end(one)}>${one.current ? "Log out" : "End"}<//></li>`)}</ul>`}<//>
  <//>`;
}

/** A browser as people call it. @param {string} agent */
function browser(agent) {
  const name = ["Edg", "OPR", "Firefox", "Chrome", "Safari"].find((one) => agent.includes(`${one}/`));
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"].find((one) => agent.includes(one));
  const names = /** @type {Record<string, string>} */ ({ Edg: "Edge", OPR: "Opera" });
  return [names[name ?? ""] ?? name ?? "A program", system && `on ${system.replace(" OS X", "")}`].filter(Boolean).join(" ");
}
