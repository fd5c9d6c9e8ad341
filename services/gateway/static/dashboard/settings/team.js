// Who works here, and what they may do.
import { patch, post, remove } from "../core/api.js";
import { ago } from "../core/format.js";
import { useList } from "../core/load.js";
import { me, readUsers } from "../core/store.js";
import { html, useState } from "../core/ui.js";
import { Button, Code } from "../parts/button.js";
import { Dialog, confirm } from "../parts/dialog.js";
import { Select, TextField, wrongIn } from "../parts/field.js";
import { Menu } from "../parts/menu.js";
import { Card } from "../parts/page.js";
import { Avatar, Badge, Empty, Listed, Note, Problem } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { useForm } from "./form.js";

const ROLES = /** @type {[string, string][]} */ ([["agent", "Agent: answers visitors"], ["admin", "Admin: everything but the account itself"], ["owner", "Owner: everything"]]);
const NAMES = /** @type {Record<string, string>} */ ({ agent: "Agent", admin: "Admin", owner: "Owner" });

export function Team() {
  const list = useList("users");
  const [inviting, invite] = useState(false);
  const [link, show] = useState(/** @type {any} */ (null));
  const fresh = () => (list.reload(true), readUsers().catch(() => {}));
  const made = (/** @type {any} */ user) => (invite(false), show(user), fresh());
  return html`<${Card} bare title="Team" text="Agents see the inbox; admins also set up chatbots and the account." actions=${html`<${Button} kind="main" icon="plus" act=${() => invite(true)}>Invite<//>`}>
    <${Listed} list=${list} empty=${html`<${Empty} icon="users" title="Nobody yet" text="Invite the people who answer your visitors." />`}>
      <ul class="list">${list.items.map((user) => html`<${Person} key=${user.id} user=${user} fresh=${fresh} show=${show} />`)}</ul>
    <//>
    ${inviting && html`<${Invite} close=${() => invite(false)} made=${made} />`}
    ${link && html`<${Invited} user=${link} close=${() => show(null)} />`}
  <//>`;
}

/** @param {{user: any, fresh: () => void, show: (user: any) => void}} of */
function Person({ user, fresh, show }) {
  const self = user.id === me.value.user.id;
  const act = (/** @type {() => Promise<any>} */ what, /** @type {string} */ told) => async () => {
    try {
      await what();
      toast(told);
      fresh();
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { bad: true });
    }
  };
  const change = (/** @type {any} */ body, /** @type {string} */ told) => act(() => patch(`users/${user.id}`, body), told);
  const name = user.name || user.email;
  const items = [
    ...ROLES.filter(([role]) => role !== user.role).map(([role]) => ({ label: `Make ${NAMES[role].toLowerCase()}`, icon: "user", act: change({ role }, `${name} is ${NAMES[role].toLowerCase()} now.`) })),
    user.status === "invited" && { label: "Invite again", icon: "send", act: async () => show(await post(`users/${user.id}/invite`).catch((/** @type {Error} */ error) => toast(error.message, { bad: true }))) },
    user.status === "disabled" && { label: "Let in again", icon: "check", act: change({ status: "active" }, `${name} may log in again.`) },
    user.status === "active" && !self && { label: "Lock out…", icon: "lock", danger: true, act: () => confirm({
      title: `Lock ${name} out?`, text: "They are logged out everywhere at once and can't log in, until you let them in again.", action: "Lock out", danger: true,
      do: async () => (await patch(`users/${user.id}`, { status: "disabled" }), toast(`${name} is logged out and can't log in.`), fresh()) }) },
    !self && { label: "Remove…", icon: "trash", danger: true, act: () => confirm({
      title: `Remove ${name}?`, text: "Their sessions end and the API keys they made are revoked. What they wrote stays.", action: "Remove", danger: true,
      do: async () => (await remove(`users/${user.id}`), toast(`${name} is removed.`), fresh()) }) },
  ];
  return html`<li class="item person"><${Avatar} name=${name} />
    <span class="grow"><span class="strong cut" dir="auto">${name}</span>${self && html` <span class="quiet small">you</span>`}
      <span class="small quiet cut" style=${{ display: "block" }}>${user.email} · ${user.lastLoginAt ? `here ${ago(user.lastLoginAt)}` : "never here"}</span></span>
    <span class="row marks">${user.status === "invited" && html`<${Badge} kind="warn">Invited<//>`}${user.status === "disabled" && html`<${Badge} kind="bad">Locked out<//>`}
    <${Badge}>${NAMES[user.role]}<//></span><${Menu} label=${`Actions for ${name}`} items=${items} /></li>`;
}

/** @param {{close: () => void, made: (user: any) => void}} of */
function Invite({ close, made }) {
  const form = useForm({ email: "", name: "", role: "agent" }, async (values) => made(await post("users", values)));
  const { values, put, error } = form;
  return html`<${Dialog} title="Invite a colleague" close=${close}
    footer=${html`<${Button} act=${close}>Cancel<//><${Button} kind="main" type="submit" form="invite" busy=${form.busy}>Invite<//>`}>
    <form id="invite" class="stack" onSubmit=${form.submit}>
      <${TextField} label="E-mail" type="email" required value=${values.email} set=${put("email")} wrong=${wrongIn(error, "email")} />
      <${TextField} label="Name" maxlength="200" value=${values.name} set=${put("name")} hint="Visitors see it beside their replies." />
      <${Select} label="Role" value=${values.role} set=${put("role")} options=${ROLES} />
      ${error && error.details?.field !== "email" && html`<${Problem} error=${error} />`}
    </form><//>`;
}

/** @param {{user: any, close: () => void}} of */
const Invited = ({ user, close }) => html`<${Dialog} title="Invited" close=${close} footer=${html`<${Button} kind="main" act=${close}>Done<//>`}>
  <div class="stack">${user.invitation
    ? html`<${Note}>Pass this link on to <b>${user.email}</b>. It works once, for seven days.<//><${Code} text=${user.invitation} />`
    : html`<p><b>${user.email}</b> gets a mail with a link, which works once, for seven days.</p>`}</div><//>`;
