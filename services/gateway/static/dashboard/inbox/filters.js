import { ask, place } from "../core/router.js";
import { chatbots, me, users } from "../core/store.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Select, TextField } from "../parts/field.js";
import { Icon } from "../parts/icon.js";

export const SEGMENTS = /** @type {[string, string][]} */ ([["", "All"], ["escalated", "Waiting"], ["open", "With the bot"], ["resolved", "Resolved"]]);
const SEARCH_PAUSE = 300; // ms

/** The address as the API's filter. @param {Record<string, string>} query */
export const wanted = ({ status, chatbot, assignee, tag, q, visitor }) => ({
  sort: "activity", status, tag, q, chatbotId: chatbot, visitorId: visitor, assigneeId: assignee === "me" ? me.value.user.id : assignee,
});

/** Whether a conversation belongs into the list; a text is left to the server. @param {any} c @param {Record<string, string>} query */
export function fits(c, query) {
  const { status, tag, chatbotId, visitorId, assigneeId } = wanted(query);
  return (!status || c.status === status) && (!tag || c.tags.includes(tag)) && (!chatbotId || c.chatbotId === chatbotId)
    && (!visitorId || c.visitorId === visitorId) && (!assigneeId || c.assigneeId === assigneeId) && !query.q;
}

/** @param {{query: Record<string, string>, tags: string[], keys: () => void}} of */
export function Filters({ query, tags, keys }) {
  const more = ["chatbot", "assignee", "tag", "visitor"].filter((name) => query[name]).length;
  const [open, show] = useState(more > 0);
  return html`
    <div class="filters">
      <div class="row between">
        <h1>Inbox</h1>
        <div class="row">
          <${Button} kind="bare small" icon="keyboard" label="Keyboard shortcuts" act=${keys} />
          <${Button} kind="bare small" icon="filter" act=${() => show(!open)} aria-expanded=${String(open)}>Filter${more ? ` (${more})` : ""}<//>
        </div>
      </div>
      <${Search} value=${query.q ?? ""} />
      <div class="segments" role="group" aria-label="Status">
        ${SEGMENTS.map(([value, label]) => html`<button type="button" aria-pressed=${String((query.status ?? "") === value)} onClick=${() => ask({ status: value })}>${label}</button>`)}
      </div>
      ${open && html`<${Chosen} query=${query} tags=${tags} />`}
    </div>`;
}

/** @param {{value: string}} of */
function Search({ value }) {
  const [text, write] = useState(value);
  const timer = useRef(0);
  useEffect(() => write(value), [value]);
  const change = (/** @type {any} */ event) => {
    write(event.target.value);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => place.value.path.startsWith("inbox") && ask({ q: event.target.value.trim() }), SEARCH_PAUSE);
  };
  return html`<div class="search"><${Icon} name="search" />
    <input class="input small" id="search" type="search" aria-label="Search in messages" placeholder="Search in messages" maxlength="200" dir="auto" value=${text} onInput=${change} /></div>`;
}

/** @param {{query: Record<string, string>, tags: string[]}} of */
function Chosen({ query, tags }) {
  const bots = (chatbots.value ?? []).map((bot) => [bot.id, bot.name]);
  const people = users.value.filter((one) => one.id !== me.value.user.id).map((one) => [one.id, one.name || one.email]);
  return html`<div class="stack">
    <${Select} small label="Chatbot" value=${query.chatbot ?? ""} set=${(/** @type {string} */ v) => ask({ chatbot: v })} options=${[["", "All chatbots"], ...bots]} />
    <${Select} small label="Assigned to" value=${query.assignee ?? ""} set=${(/** @type {string} */ v) => ask({ assignee: v })} options=${[["", "Anyone"], ["me", "Me"], ...people]} />
    <${TextField} small label="Tag" value=${query.tag ?? ""} list="known-tags" onChange=${(/** @type {any} */ e) => ask({ tag: e.target.value.trim() })} />
    <datalist id="known-tags">${tags.map((tag) => html`<option value=${tag} />`)}</datalist>
    ${query.visitor && html`<p class="small quiet">One visitor's conversations alone.</p>`}
    <${Button} kind="small" act=${() => ask({ chatbot: "", assignee: "", tag: "", visitor: "" })}>Clear filters<//>
  </div>`;
}

