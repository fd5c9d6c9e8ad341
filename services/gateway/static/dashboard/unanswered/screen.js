// Questions nobody's knowledge answered, those that mean the same together; an answer is made of one here.
import { get, post } from "../core/api.js";
import { ago, count, plural } from "../core/format.js";
import { useLoad } from "../core/load.js";
import { ask, href } from "../core/router.js";
import { chatbots, chosen, may } from "../core/store.js";
import { html, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { confirm } from "../parts/dialog.js";
import { Select } from "../parts/field.js";
import { Card, Page } from "../parts/page.js";
import { Empty, Loaded } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { Draft } from "./draft.js";

const STEP = 20;
const MOST = 100; // what the API gives

/** @param {{query: Record<string, string>}} of */
export default function Unanswered({ query }) {
  const [limit, more] = useState(STEP);
  const [answering, answer] = useState(/** @type {any} */ (null));
  const groups = useLoad((signal) => get("analytics/unanswered", { chatbotId: query.chatbot, limit }, signal), [query.chatbot, limit]);
  const bots = (chatbots.value ?? []).map((bot) => [bot.id, bot.name]);
  const drop = (/** @type {any} */ group) => groups.put({ data: groups.data?.data.filter((/** @type {any} */ one) => one.id !== group.id) });
  const dismiss = async (/** @type {any} */ group) => {
    const done = await confirm({
      title: "Take this question off the list?",
      text: "It and the questions that mean the same are no longer shown. The conversations stay.",
      action: "Dismiss",
      do: () => post(`analytics/unanswered/${group.id}/dismiss`),
    });
    if (!done) return;
    drop(group);
    toast("Dismissed.");
  };
  const choice = bots.length > 1 && html`<${Select} hidden label="Chatbot" value=${query.chatbot ?? ""} set=${(/** @type {string} */ v) => ask({ chatbot: v })} options=${[["", "All chatbots"], ...bots]} />`;
  return html`
    <${Page} title="Unanswered" actions=${choice} text="What visitors asked in the last 30 days and the knowledge could not answer. Write an answer once, and the chatbot gives it from then on.">
      <${Loaded} of=${groups}>${(/** @type {any} */ found) => html`<${Card} bare>
        ${found.data.length === 0 ? html`<${Nothing} />` : html`<ul class="list">${found.data.map((/** @type {any} */ group) => html`<${Group} key=${group.id} group=${group} answer=${() => answer(group)} dismiss=${() => dismiss(group)} />`)}</ul>`}
        ${found.data.length >= limit && limit < MOST && html`<div class="more"><${Button} kind="small" busy=${groups.loading} act=${() => more(Math.min(MOST, limit + STEP))}>Show more<//></div>`}
      <//>`}<//>
      ${answering && html`<${Draft} group=${answering} chatbot=${query.chatbot || chosen.value} close=${() => answer(null)} done=${() => (drop(answering), answer(null))} />`}
    <//>`;
}

const Nothing = () => html`
  <${Empty} icon="check" title="Nothing went unanswered" text="When the knowledge has no answer, the chatbot says so, and the question lands here. Ask it something hard to see how that goes.">
    <${Button} href=${href("inbox")}>Look at the conversations<//><//>`;

/** @param {{group: any, answer: () => void, dismiss: () => void}} of */
function Group({ group, answer, dismiss }) {
  const others = group.examples.filter((/** @type {string} */ text) => text !== group.question);
  return html`
    <li class="group">
      <div class="grow stack tight">
        <h2 class="question" dir="auto">${group.question}</h2>
        <p class="small quiet">Asked ${group.count === 1 ? "once" : `${count(group.count)} times`}, last ${ago(group.lastAskedAt)} ·${" "}
          ${group.conversationIds.slice(0, 3).map((/** @type {string} */ id, /** @type {number} */ i) => html`${i > 0 && ", "}<a href=${href(`inbox/${id}`)}>${i ? `another${i > 1 ? " one" : ""}` : "see the conversation"}</a>`)}</p>
        ${others.length > 0 && html`<details class="small"><summary class="quiet">Also as ${plural(others.length, "other question")}</summary><ul class="others">${others.map((/** @type {string} */ text) => html`<li dir="auto">${text}</li>`)}</ul></details>`}
        ${group.draft && html`<p class="small"><span class="badge good">A colleague has answered it</span></p>`}
      </div>
      <div class="row wrap acts">
        ${may("knowledge") && html`<${Button} kind="small" icon="edit" act=${answer}>${group.draft ? "Use the answer" : "Write an answer"}<//>`}
        <${Button} kind="small bare" act=${dismiss}>Dismiss<//>
      </div>
    </li>`;
}
