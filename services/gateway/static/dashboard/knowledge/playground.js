// Trying the search that answers are made from: what is found, how well, and whether it is enough.
import { ApiError, post } from "../core/api.js";
import { ask, href } from "../core/router.js";
import { html, useEffect, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Select, TextField } from "../parts/field.js";
import { Card, Page } from "../parts/page.js";
import { Empty, Loading, Note, Problem } from "../parts/states.js";
import { Passage } from "./item.js";

const LIMITS = /** @type {[string, string][]} */ ([["5", "5 passages"], ["10", "10 passages"], ["20", "20 passages"], ["50", "50 passages"]]);

/** @param {{bot: any, query: Record<string, string>, tabs: any}} of */
export function Playground({ bot, query, tabs }) {
  const { q = "", limit = "5" } = query;
  const [text, type] = useState(q);
  const [found, set] = useState(/** @type {{data?: any, error?: any, busy?: boolean}} */ ({}));
  const search = async () => {
    if (!q.trim()) return set({});
    set((now) => ({ ...now, busy: true, error: undefined }));
    try {
      set({ data: await post("knowledge/search", { chatbotId: bot.id, query: q, limit: Number(limit) }) });
    } catch (error) {
      set({ error: error instanceof ApiError ? error : new Error("The search failed.") });
    }
  };
  useEffect(() => void search(), [q, limit, bot.id]);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (text.trim() === q) search();
    else ask({ q: text.trim() });
  };
  return html`
    <${Page} title="Knowledge" text=${`What ${bot.name} answers from.`} tabs=${tabs}>
      <form class="searching" onSubmit=${submit} role="search">
        <${TextField} label="Question" hidden type="search" placeholder="Ask as a visitor would" value=${text} set=${type} maxlength="2000" />
        <${Select} label="How many" hidden value=${limit} set=${(/** @type {string} */ v) => ask({ limit: v })} options=${LIMITS} />
        <${Button} kind="main" type="submit" icon="search" busy=${found.busy}>Search<//>
      </form>
      <div aria-live="polite">${results(found, bot)}</div>
    <//>`;
}

/** @param {{data?: any, error?: any, busy?: boolean}} found @param {any} bot */
function results({ data, error, busy }, bot) {
  if (error) return html`<${Problem} error=${error} />`;
  if (!data && busy) return html`<${Loading} />`;
  if (!data) return html`<${Empty} icon="search" title="See what it would find" text="These are the passages an answer is made of, with how well each fits." />`;
  if (!data.data.length) return html`<${Empty} icon="search" title="Nothing is found" text="Add a source that answers this question." />`;
  return html`<div class="stack wide">
    <${Note} kind=${data.answerable ? "" : "warn"} icon=${data.answerable ? "check" : "alert"}>
      ${data.answerable ? "The bot would answer from these." : "Not close enough: the bot would say that it does not know, and offer a person."}<//>
    <${Card} bare><ol class="list passages">${data.data.map((/** @type {any} */ one, /** @type {number} */ i) => html`<li key=${i}>
      <${Passage} headings=${one.headings.length ? one.headings : [one.title]} text=${one.text} page=${one.page}
        aside=${html`<${Score} value=${one.score} /><a class="small" href=${href(`chatbots/${bot.id}/knowledge/${one.knowledgeId}`)}>${one.title || "Source"}</a>`} /></li>`)}</ol><//>
  </div>`;
}

/** @param {{value: number}} of from 0 to 1 */
const Score = ({ value }) => html`<span class="score"><meter min="0" max="1" value=${value} aria-label="Fit" /><span class="small mono">${value.toFixed(2)}</span></span>`;
