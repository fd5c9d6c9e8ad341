// The inbox: conversations beside the one that is read, both kept up by the live stream.
import { get } from "../core/api.js";
import { useKeys } from "../core/keys.js";
import { connection, onLive } from "../core/live.js";
import { useList } from "../core/load.js";
import { go, href } from "../core/router.js";
import { chatbots } from "../core/store.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Empty, Listed, Note } from "../parts/states.js";
import { Filters, fits, wanted } from "./filters.js";
import { Row } from "./rows.js";
import { Shortcuts } from "./shortcuts.js";
import { Thread } from "./thread.js";

/** @param {{conversation?: string, query: Record<string, string>}} of */
export default function Inbox({ conversation, query }) {
  const list = useList("conversations", wanted(query), 30);
  const news = useNews(list, query, conversation);
  const [help, showHelp] = useState(false);
  const step = (/** @type {number} */ by) => {
    const at = list.items.findIndex((c) => c.id === conversation);
    const next = list.items[at < 0 ? 0 : Math.max(0, Math.min(list.items.length - 1, at + by))];
    if (next) go(`inbox/${next.id}`, { query, replace: !!conversation });
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    "/": () => document.getElementById("search")?.focus(),
    "?": () => showHelp(true),
    Escape: () => conversation && go("inbox", { query }),
  });
  const tags = [...new Set(list.items.flatMap((c) => c.tags))].sort();
  return html`
    <div class=${`inbox ${conversation ? "reading" : ""}`}>
      <section class="talks" aria-label="Conversations">
        <${Filters} query=${query} tags=${tags} keys=${() => showHelp(true)} />
        ${connection.value === "away" && html`<div class="away" role="status"><${Note} icon="alert" kind="warn">Not live: connecting again…<//></div>`}
        <div class="rows">
          <${Listed} list=${list} empty=${html`<${Nothing} query=${query} />`}>
            <ul>${list.items.map((c) => html`<${Row} key=${c.id} conversation=${c} on=${c.id === conversation} news=${news.has(c.id)} query=${query} />`)}</ul>
          <//>
        </div>
      </section>
      ${conversation
        ? html`<${Thread} key=${conversation} id=${conversation} query=${query} tags=${tags} />`
        : html`<section class="thread blank"><${Empty} icon="inbox" title="Choose a conversation" text="Replies, notes and what the bot said are shown here. Press ? for the keyboard shortcuts." /></section>`}
      ${help && html`<${Shortcuts} close=${() => showHelp(false)} />`}
    </div>`;
}

/** Keep the list up with what happens. @returns ids with messages nobody here has seen */
function useNews(/** @type {any} */ list, /** @type {Record<string, string>} */ query, /** @type {string | undefined} */ reading) {
  const [news, set] = useState(/** @type {Set<string>} */ (new Set()));
  const now = useRef({ list, query, reading });
  now.current = { list, query, reading };
  useEffect(() => onLive((event, data) => {
    const { list, query, reading } = now.current;
    if (event === "reset") list.reload(true);
    if (event === "status") list.change((/** @type {any[]} */ items) => placed(items, data, query));
    if (event !== "message" || data.internal) return;
    if (data.sender === "visitor" && data.conversationId !== reading) set((before) => new Set([...before, data.conversationId]));
    bump(list, data, query);
  }), []);
  useEffect(() => {
    if (reading && news.has(reading)) set(new Set([...news].filter((id) => id !== reading)));
  }, [reading, news]);
  return news;
}

/** @param {any[]} items @param {any} changed @param {Record<string, string>} query */
function placed(items, changed, query) {
  const known = items.some((c) => c.id === changed.id);
  if (!fits(changed, query)) return query.q ? items.map((c) => (c.id === changed.id ? changed : c)) : items.filter((c) => c.id !== changed.id);
  return known ? items.map((c) => (c.id === changed.id ? { ...changed, preview: changed.preview || c.preview } : c)) : [changed, ...items];
}

/** A message came: its conversation moves to the top. */
async function bump(/** @type {any} */ list, /** @type {any} */ message, /** @type {Record<string, string>} */ query) {
  const id = message.conversationId;
  const known = list.items.find((/** @type {any} */ c) => c.id === id);
  const fresh = known ? { ...known, preview: message.text || known.preview, lastMessageAt: message.createdAt } : await get(`conversations/${id}`).catch(() => null);
  if (!fresh || (!known && !fits(fresh, query))) return;
  list.change((/** @type {any[]} */ items) => {
    const here = items.find((c) => c.id === id);
    const later = !here || !(here.lastMessageAt > message.createdAt);
    return later ? [{ ...here, ...fresh, status: here?.status ?? fresh.status }, ...items.filter((c) => c.id !== id)] : items;
  });
}

/** @param {{query: Record<string, string>}} of */
function Nothing({ query }) {
  if (Object.values(query).some(Boolean)) {
    return html`<${Empty} icon="search" title="Nothing fits" text=${query.status === "escalated" ? "Nobody waits for a person. Conversations show up here at once when somebody does." : "No conversation matches what you filter by."}>
      <${Button} href=${href("inbox")}>Show all conversations<//><//>`;
  }
  const [bot] = chatbots.value ?? [];
  return html`<${Empty} icon="inbox" title="No conversations yet" text="They appear here the moment a visitor writes. Put the widget on your site, or try the chatbot yourself.">
    ${bot ? html`<${Button} kind="main" href=${href(`chatbots/${bot.id}/install`)}>Install the widget<//>` : html`<${Button} kind="main" href=${href("start")}>Make a chatbot<//>`}<//>`;
}
