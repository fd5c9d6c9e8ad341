// One source: its state and why, the pages of a site, and the passages it was cut into.
import { get, patch } from "../core/api.js";
import { ago, at, count } from "../core/format.js";
import { onLive } from "../core/live.js";
import { useList, useLoad } from "../core/load.js";
import { ask, go, href, place } from "../core/router.js";
import { html, useEffect } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Select } from "../parts/field.js";
import { Icon } from "../parts/icon.js";
import { Menu } from "../parts/menu.js";
import { Card, Page } from "../parts/page.js";
import { Badge, Empty, Listed, Loaded, Note } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { Pages, State } from "./pieces.js";
import { Row, actions, useFresh } from "./sources.js";
import { REFRESHES, TYPES, busy, label, link } from "./words.js";

const LOOK = 2_000; // ms

/** @param {{bot: any, id: string}} of */
export function Item({ bot, id }) {
  const load = useLoad((signal) => get(`knowledge/${id}`, {}, signal), [id]);
  const item = load.data;
  useEffect(() => onLive((event, now) => void (event === "knowledge" && now.id === id && load.put(now))), [id]);
  useEffect(() => {
    if (!item || !(busy(item) || item.semantic === "pending") || item.status === "failed") return;
    const timer = setInterval(() => document.hidden || load.reload(), LOOK);
    return () => clearInterval(timer);
  }, [item?.status, item?.semantic]);
  const home = href(`chatbots/${bot.id}/knowledge`);
  const up = item?.parentId ? { href: `${home}/${item.parentId}`, label: "The site" } : { href: home, label: "Knowledge" };
  const things = item ? actions(item, load.put, () => go(`chatbots/${bot.id}/knowledge`, { replace: true })) : [];
  return html`
    <${Page} title=${item ? html`<span dir="auto">${label(item)}</span>` : "Source"} back=${up}
      actions=${item && html`${item.status === "failed" && html`<${Button} kind="main" icon="refresh" act=${things.find((one) => one.label === "Try again")?.act}>Try again<//>`}
        <${Menu} items=${things} label="Actions" style="button square" />`}>
      <${Loaded} of=${load}>${(/** @type {any} */ it) => html`
        <div class="stack wide">
          ${it.error && html`<${Note} kind="warn" icon="alert"><b>${it.error.message}</b>${it.attempts > 1 && html` <span class="small">Tried ${it.attempts} times.</span>`}<//>`}
          <${Facts} item=${it} put=${load.put} />
          ${it.type === "crawl" ? html`<${Children} bot=${bot} item=${it} reload=${load.reload} />` : html`<${Chunks} item=${it} />`}
        </div>`}<//>
    <//>`;
}

/** @param {{item: any, put: (item: any) => void}} of */
function Facts({ item, put }) {
  const refresh = async (/** @type {string} */ value) => {
    try {
      put(await patch(`knowledge/${item.id}`, { refresh: value }));
      toast(value === "never" ? "It is not fetched again by itself." : "Saved.");
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { bad: true });
    }
  };
  const url = link(item);
  return html`<${Card}><dl class="facts">
    <div><dt>State</dt><dd><${State} item=${item} /></dd></div>
    <div><dt>Kind</dt><dd>${TYPES[item.type].name}</dd></div>
    ${item.type === "crawl" ? html`<div><dt>Pages</dt><dd><${Pages} item=${item} /></dd></div>` : html`<div><dt>Passages</dt><dd>${count(item.chunks)}</dd></div>`}
    <div><dt>Indexed</dt><dd title=${item.indexedAt ? at(item.indexedAt) : ""}>${ago(item.indexedAt)}</dd></div>
    ${item.source && item.type !== "document" && html`<div class="long"><dt>From</dt><dd class="cut" dir="ltr">${url ? html`<a href=${url} target="_blank" rel="noopener noreferrer">${item.source} <${Icon} name="out" /></a>` : item.source}</dd></div>`}
    ${(item.type === "url" || item.type === "crawl") && !item.parentId && html`<div><dt>Fetch again</dt><dd><${Select} label="Fetch again" hidden small value=${item.refresh} set=${refresh} options=${REFRESHES} /></dd></div>`}
  </dl><//>`;
}

/** The pages of a site, failures with their reasons. @param {{bot: any, item: any, reload: () => void}} of */
function Children({ bot, item, reload }) {
  const { status = "" } = place.value.query;
  const list = useList("knowledge", { chatbotId: bot.id, parentId: item.id, status });
  const { indexed, failed } = item.progress;
  useEffect(() => {
    if (!list.first && list.items.length <= 30) list.reload(true);
  }, [indexed, failed]);
  useFresh(bot.id, list);
  useEffect(() => {
    if (!list.first) reload(); // a page that was tried again counts for the site, too
  }, [list.items.map((/** @type {any} */ page) => page.status).join()]);
  return html`<${Card} bare title="Pages" actions=${html`<${Select} label="State" hidden small value=${status} set=${(/** @type {string} */ v) => ask({ status: v })}
      options=${[["", "All"], ["ready", "Ready"], ["failed", "Failed"], ["processing", "In work"]]} />`}>
    <${Listed} list=${list} empty=${html`<${Empty} icon="globe" title=${status ? "No page is in this state" : busy(item) ? "Looking for pages" : "No pages"} text=${busy(item) ? "They appear here as they come in." : ""} />`}>
      <ul class="list sources">${list.items.map((page) => html`<${Row} key=${page.id} item=${page} bot=${bot} list=${list} />`)}</ul>
    <//><//>`;
}

/** What it was cut into, as it is searched. @param {{item: any}} of */
function Chunks({ item }) {
  const list = useList(`knowledge/${item.id}/chunks`, { at: item.indexedAt && undefined }, 20);
  useEffect(() => {
    if (!list.first) list.reload(true);
  }, [item.indexedAt, item.semantic]);
  if (!item.chunks && item.status === "failed") return null;
  return html`<${Card} bare title="Passages" text="As they are searched and quoted.">
    <${Listed} list=${list} empty=${html`<${Empty} icon="book" title=${busy(item) ? "Being read" : "No passages"} text=${busy(item) ? "They appear here as soon as it is read." : ""} />`}>
      <ol class="list passages">${list.items.map((chunk) => html`<li key=${chunk.id}><${Passage} headings=${chunk.headings} text=${chunk.text} page=${chunk.page}
        aside=${html`<span class="small quiet">${count(chunk.tokens)} tokens</span>${chunk.semantic === "pending" && html`<${Badge} kind="warn">Meaning follows<//>`}`} /></li>`)}</ol>
    <//><//>`;
}

/** @param {{headings: string[], text: string, page?: number | null, aside?: any}} of */
export const Passage = ({ headings, text, page, aside }) => html`
  <div class="passage">
    <div class="row wrap"><span class="small strong grow" dir="auto">${headings.join(" › ")}${page ? html` <span class="quiet">page ${page}</span>` : ""}</span>${aside}</div>
    <p class="said" dir="auto">${text}</p>
  </div>`;
