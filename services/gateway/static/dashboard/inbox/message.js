import { at, time } from "../core/format.js";
import { me } from "../core/store.js";
import { html } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Icon } from "../parts/icon.js";
import { Markdown } from "../parts/markdown.js";
import { Badge } from "../parts/states.js";

const ENDS = /** @type {Record<string, [string, string]>} */ ({
  no_answer: ["warn", "No answer found"],
  stopped: ["", "Stopped by the visitor"],
  error: ["bad", "Failed"],
  answering: ["accent", "Answering…"],
});

/** @param {any} message @param {string} bot */
const author = (message, bot) =>
  message.sender === "bot" ? bot : message.sender === "visitor" ? "Visitor" : message.author || "Someone of your team";

/** @param {{message: any, bot: string}} of */
export function Message({ message, bot }) {
  const { sender, internal, status, feedback, sources } = message;
  if (sender === "system") return html`<div class="message system"><p dir="auto">${message.text}</p><time class="tiny">${time(message.createdAt)}</time></div>`;
  const end = ENDS[status];
  return html`
    <article class=${`message ${internal ? "internal" : sender}`}>
      <div class="by tiny">${internal && html`<${Icon} name="note" />`}<span class="strong">${author(message, bot)}</span>
        ${internal && html`<span>Note, only for your team</span>`}
        <time class="num" datetime=${message.createdAt} title=${at(message.createdAt)}>${time(message.createdAt)}</time></div>
      <div class="bubble">${sender === "bot" ? html`<${Markdown} text=${message.text} />` : html`<div class="text plain" dir="auto">${message.text}</div>`}</div>
      ${(end || feedback) && html`<div class="row wrap">
        ${end && html`<${Badge} kind=${end[0]}>${end[1]}<//>`}
        ${feedback && html`<${Rating} feedback=${feedback} />`}</div>`}
      ${sources?.length > 0 && html`<${Sources} sources=${sources} />`}
    </article>`;
}

/** @param {{feedback: any}} of */
const Rating = ({ feedback: { rating, comment } }) => html`
  <${Badge} kind=${rating === "up" ? "good" : "bad"}><${Icon} name=${rating === "up" ? "up" : "thumbdown"} />${rating === "up" ? "Helpful" : "Not helpful"}<//>
  ${comment && html`<span class="small quiet" dir="auto">“${comment}”</span>`}`;

/** @param {{sources: any[]}} of */
const Sources = ({ sources }) => html`
  <details class="sources tiny"><summary>${sources.length === 1 ? "1 source" : `${sources.length} sources`}</summary>
    <ol>${sources.map((source) => html`<li>
      <div class="strong" dir="auto">${source.url && /^https?:/.test(source.url) ? html`<a href=${source.url} target="_blank" rel="noopener noreferrer">${source.title}</a>` : source.title}${source.page ? `, page ${source.page}` : ""}</div>
      <div class="quiet lines2" dir="auto">${source.quote}</div></li>`)}</ol></details>`;

/** A message of ours that is on its way, or did not get there. @param {{one: import("./talk.js").Pending, again: (one: any) => void, discard: (key: string) => void}} of */
export const Unsent = ({ one, again, discard }) => html`
  <article class=${`message ${one.note ? "internal" : "admin"} ${one.state}`}>
    <div class="by tiny"><span class="strong">${me.value.user.name || me.value.user.email}</span>${one.state === "sending" && html`<span>Sending…</span>`}</div>
    <div class="bubble"><div class="text plain" dir="auto">${one.text}</div></div>
    ${one.state === "failed" && html`<div class="row wrap" role="alert">
      <span class="bad small">Not sent: ${one.error.message}</span>
      <${Button} kind="small" icon="refresh" act=${() => again(one)}>Send again<//>
      <${Button} kind="bare small" act=${() => discard(one.key)}>Discard<//></div>`}
  </article>`;
