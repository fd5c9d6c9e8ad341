import { remove } from "../core/api.js";
import { at, language, visitor } from "../core/format.js";
import { go, href } from "../core/router.js";
import { chatbot, may, me, person, users } from "../core/store.js";
import { html, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { confirm } from "../parts/dialog.js";
import { Select } from "../parts/field.js";
import { Icon } from "../parts/icon.js";
import { toast } from "../parts/toast.js";

/** @param {{conversation: any, tags: string[], act: any, close: () => void, query: Record<string, string>}} of */
export function Details({ conversation: c, tags, act, close, query }) {
  const people = users.value.filter((one) => one.status === "active" && one.id !== me.value.user.id).map((one) => [one.id, one.name || one.email]);
  const unknown = c.assigneeId && !person(c.assigneeId) ? [[c.assigneeId, "A colleague"]] : [];
  return html`
    <aside class="details" aria-label="Details">
      <div class="row between"><h2>Details</h2><${Button} kind="bare small shut" icon="close" label="Close the details" act=${close} /></div>
      <${Select} label="Assigned to" value=${c.assigneeId ?? ""} set=${(/** @type {string} */ id) => act.assign(id || null)}
        options=${[["", "Nobody"], [me.value.user.id, "Me"], ...people, ...unknown]} />
      <${Tags} key=${c.id} tags=${c.tags} known=${tags} act=${act} />
      ${c.escalation && html`<section><h3>Why a person</h3><p class="small" dir="auto">${c.escalation.reason}</p>
        ${c.escalation.summary && html`<details><summary class="small quiet">Summary</summary><p class="small quiet pre" dir="auto">${c.escalation.summary}</p></details>`}</section>`}
      <dl class="about small">
        <div><dt>Chatbot</dt><dd>${chatbot(c.chatbotId)?.name ?? c.chatbotId}</dd></div>
        <div><dt>Language</dt><dd>${language(c.language)}</dd></div>
        <div><dt>Began</dt><dd>${at(c.createdAt)}</dd></div>
        <div><dt>Visitor</dt><dd class="mono">${c.visitorId}</dd></div>
      </dl>
      <div class="stack">
        <${Button} kind="small" icon="users" href=${href("inbox", { visitor: c.visitorId })}>All of this visitor<//>
        <div class="row wrap"><span class="small quiet">Export</span>${[["transcript", "Text"], ["csv", "CSV"], ["json", "JSON"]].map(([format, label]) => html`
          <a class="button small" href=${`/api/conversations/${c.id}/export?format=${format}`} download>${label}</a>`)}</div>
        ${may("admin") && html`<${Button} kind="bare danger small" icon="trash" act=${() => erase(c, query)}>Delete this visitor's data<//>`}
      </div>
    </aside>`;
}

/** @param {any} c @param {Record<string, string>} query */
async function erase(c, query) {
  const done = await confirm({
    title: `Delete ${visitor(c.visitorId)}?`,
    text: "All conversations of this visitor, and what is known of them, are deleted. This can't be taken back.",
    action: "Delete the data",
    danger: true,
    do: () => remove(`visitors/${c.visitorId}`),
  });
  if (!done) return;
  toast("The visitor's data is being deleted.");
  go("inbox", { query });
}

/** @param {{tags: string[], known: string[], act: any}} of */
function Tags({ tags, known, act }) {
  const [text, write] = useState("");
  const add = (/** @type {Event} */ event) => {
    event.preventDefault();
    const tag = text.trim();
    write("");
    if (tag && !tags.includes(tag)) act.tag([...tags, tag], `Tagged “${tag}”.`);
  };
  return html`
    <form class="field" onSubmit=${add}>
      <label for="new-tag">Tags</label>
      ${tags.length > 0 && html`<ul class="row wrap">${tags.map((tag) => html`<li class="badge tag"><span class="cut" dir="auto">${tag}</span>
        <button type="button" aria-label=${`Remove the tag ${tag}`} onClick=${() => act.tag(tags.filter((t) => t !== tag), `“${tag}” removed.`)}><${Icon} name="close" /></button></li>`)}</ul>`}
      <input class="input small" id="new-tag" placeholder="Add a tag, then Enter" maxlength="64" list="tags-so-far" autocomplete="off" dir="auto" value=${text} onInput=${(/** @type {any} */ e) => write(e.target.value)} />
      <datalist id="tags-so-far">${known.filter((tag) => !tags.includes(tag)).map((tag) => html`<option value=${tag} />`)}</datalist>
    </form>`;
}
