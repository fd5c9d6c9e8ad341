// How the chatbots do: numbers of a stretch of time, their course, and where to look next.
import { get } from "../core/api.js";
import { count, duration, language, plural, rate } from "../core/format.js";
import { useLoad } from "../core/load.js";
import { ask, href } from "../core/router.js";
import { chatbots, may } from "../core/store.js";
import { html } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Select } from "../parts/field.js";
import { Card, Page } from "../parts/page.js";
import { Empty, Loaded } from "../parts/states.js";
import { Chart } from "./chart.js";

const RANGES = /** @type {[string, string][]} */ ([["7", "Last 7 days"], ["30", "Last 30 days"], ["90", "Last 90 days"], ["365", "Last 12 months"]]);
const DAY = 86_400_000; // ms

/** @param {{query: Record<string, string>}} of */
export default function Overview({ query }) {
  const days = RANGES.some(([value]) => value === query.days) ? Number(query.days) : 30;
  const range = { chatbotId: query.chatbot, from: new Date(Math.floor(Date.now() / DAY) * DAY - (days - 1) * DAY).toISOString() };
  const overview = useLoad((signal) => get("analytics/overview", range, signal), [query.chatbot, days]);
  const unanswered = useLoad((signal) => get("analytics/unanswered", { ...range, limit: 5 }, signal), [query.chatbot, days]);
  const bots = (chatbots.value ?? []).map((bot) => [bot.id, bot.name]);
  const actions = html`
    ${bots.length > 1 && html`<${Select} hidden label="Chatbot" value=${query.chatbot ?? ""} set=${(/** @type {string} */ v) => ask({ chatbot: v })} options=${[["", "All chatbots"], ...bots]} />`}
    <${Select} hidden label="Stretch of time" value=${String(days)} set=${(/** @type {string} */ v) => ask({ days: v === "30" ? "" : v })} options=${RANGES} />`;
  return html`
    <${Page} title="Overview" actions=${actions}>
      <${Loaded} of=${overview} lines=${6}>${(/** @type {any} */ found) => found.conversations === 0 && found.messages === 0
        ? html`<${Card} bare><${Quiet} /><//>`
        : html`<${Numbers} found=${found} days=${days} from=${range.from} unanswered=${unanswered} />`}<//>
    <//>`;
}

function Quiet() {
  const [bot] = chatbots.value ?? [];
  const text = "Numbers appear here with the first conversation. Put the widget on your site, or ask the chatbot something yourself.";
  return html`<${Empty} icon="chart" title="No conversations in this time" text=${text}>
    ${may("admin") && (bot ? html`<${Button} kind="main" href=${href(`chatbots/${bot.id}/install`)}>Install the widget<//><${Button} href=${href(`start/${bot.id}`)}>First steps<//>`
      : html`<${Button} kind="main" href=${href("start")}>Make a chatbot<//>`)}<//>`;
}

/** @param {{found: any, days: number, from: string, unanswered: any}} of */
function Numbers({ found, days, from, unanswered }) {
  const rated = found.up + found.down;
  const course = filled(found.days, from, days);
  return html`
    <div class="stack loose">
      <dl class="numbers">
        <${Figure} name="Conversations" value=${count(found.conversations)} more=${plural(found.messages, "message")} />
        <${Figure} name="Settled by the bot" value=${rate(found.resolutionRate)} more=${`${count(Math.round(found.resolutionRate * found.conversations))} of ${count(found.conversations)}, nothing left open`} />
        <${Figure} name="Handed to a person" value=${rate(found.escalationRate)} more=${plural(found.escalated, "conversation")} />
        <${Figure} name="Helpful" value=${rated ? rate(found.up / rated) : "–"} more=${rated ? `${count(found.up)} up, ${count(found.down)} down` : "No ratings yet"} />
        <${Figure} name="First words after" value=${duration(found.firstTokenMsP50)} more=${`95 % within ${duration(found.firstTokenMsP95)}`} />
        <${Figure} name="Answers not found" value=${found.answers ? rate(found.abstained / found.answers) : "–"} more=${`${count(found.abstained)} of ${count(found.answers)} answers`} />
      </dl>
      <${Card} title="Conversations" bare><${Chart} days=${course} label="Conversations and escalations a day"
        series=${[{ name: "Conversations", of: "conversations", colour: "--accent", fill: true }, { name: "Handed to a person", of: "escalations", colour: "--warn" }]} /><//>
      <div class="duo">
        <${Card} title="Feedback" bare>${rated === 0 ? html`<${Empty} icon="up" title="No ratings yet" text="Visitors can say of every answer whether it helped." />` : html`<${Chart} small days=${course} label="Ratings a day"
          series=${[{ name: "Helpful", of: "up", colour: "--good" }, { name: "Not helpful", of: "down", colour: "--bad" }]} />`}<//>
        <${Card} title="Languages"><${Languages} of=${found.languages} /><//>
      </div>
      <${Card} title="Top unanswered questions" actions=${html`<${Button} kind="small" href=${href("unanswered")}>See all<//>`} bare>
        <${Loaded} of=${unanswered}>${(/** @type {any} */ groups) => groups.data.length === 0
          ? html`<${Empty} icon="check" title="Nothing went unanswered" text="Questions the knowledge could not answer are gathered here." />`
          : html`<ol class="list">${groups.data.map((/** @type {any} */ group) => html`<li><a class="item" href=${href("unanswered")}><span class="grow lines2" dir="auto">${group.question}</span><span class="badge num">${count(group.count)}×</span></a></li>`)}</ol>`}<//>
      <//>
      ${found.costUsd > 0 && html`<p class="small quiet">Model: ${count(found.inputTokens)} tokens read, ${count(found.outputTokens)} written, about $${found.costUsd.toFixed(2)}.</p>`}
    </div>`;
}

/** @param {{name: string, value: string, more: string}} of */
const Figure = ({ name, value, more }) => html`<div class="number"><dt>${name}</dt><dd><span class="value num">${value}</span><span class="tiny quiet num">${more}</span></dd></div>`;

/** @param {{of: Record<string, number>}} of */
function Languages({ of }) {
  const all = Object.entries(of).sort((a, b) => b[1] - a[1]).slice(0, 6);
  const most = Math.max(...all.map(([, n]) => n), 1);
  return html`<ul class="stack">${all.map(([code, n]) => html`<li class="stack tight"><div class="row between small"><span>${language(code)}</span><span class="num quiet">${count(n)}</span></div>
    <progress max=${most} value=${n} aria-label=${language(code)} /></li>`)}</ul>`;
}

/** Days without anything are days too. @param {any[]} known @param {string} from @param {number} days */
function filled(known, from, days) {
  const by = new Map(known.map((day) => [day.day, day]));
  return Array.from({ length: days }, (_, i) => {
    const day = new Date(Date.parse(from) + i * DAY).toISOString().slice(0, 10);
    return by.get(day) ?? { day, conversations: 0, messages: 0, escalations: 0, up: 0, down: 0 };
  });
}
