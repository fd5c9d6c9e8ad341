import { post, remove } from "../core/api.js";
import { ago } from "../core/format.js";
import { onLive } from "../core/live.js";
import { useList } from "../core/load.js";
import { ask, href } from "../core/router.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { confirm } from "../parts/dialog.js";
import { Select, TextField } from "../parts/field.js";
import { Menu } from "../parts/menu.js";
import { Card, Page } from "../parts/page.js";
import { Empty, Listed } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { Add, WAYS } from "./add.js";
import { Holds, Kind, State } from "./pieces.js";
import { TYPES, busy, label } from "./words.js";

const LOOK = 4_000; // ms between two looks at what is being worked on, besides what is told live
const STATES = [["", "Any state"], ["ready", "Ready"], ["processing", "In work"], ["pending", "Waiting"], ["failed", "Failed"]];

/** @param {{bot: any, query: Record<string, string>, tabs: any}} of */
export function Sources({ bot, query, tabs }) {
  const { status = "", type = "", q = "" } = query;
  const filtered = !!(status || type || q);
  const list = useList("knowledge", { chatbotId: bot.id, status, type, q, parentId: filtered ? undefined : "none" });
  const [adding, add] = useState(/** @type {string | null} */ (null));
  useFresh(bot.id, list);
  const added = () => list.reload(true);
  const ways = WAYS.map(({ key, label, icon }) => ({ label, icon, act: () => add(key) }));
  return html`
    <${Page} title="Knowledge" text=${`What ${bot.name} answers from.`} tabs=${tabs}
      actions=${html`<${Menu} items=${ways} label="Add knowledge" style="button main" button="Add knowledge" />`}>
      <div class="filters">
        <${TextField} label="Find by title or address" hidden small type="search" placeholder="Find by title or address" value=${q} set=${useLate((/** @type {string} */ text) => ask({ q: text }))} />
        <${Select} label="Kind" hidden small value=${type} set=${(/** @type {string} */ v) => ask({ type: v })} options=${[["", "Any kind"], ...Object.entries(TYPES).map(([key, { name }]) => [key, name])]} />
        <${Select} label="State" hidden small value=${status} set=${(/** @type {string} */ v) => ask({ status: v })} options=${STATES} />
      </div>
      <${Card} bare>
        <${Listed} list=${list} empty=${filtered ? html`<${Empty} icon="filter" title="Nothing matches" text="No source fits these filters.">
            <${Button} act=${() => ask({ q: "", type: "", status: "" })}>Clear the filters<//><//>`
          : html`<${Empty} icon="book" title="It knows nothing yet" text="Give it your site, documents, or the questions you are asked most. It answers only from what is here.">
            <${Button} kind="main" icon="globe" act=${() => add("site")}>Add a site<//><${Button} icon="upload" act=${() => add("files")}>Upload files<//><//>`}>
          <ul class="list sources">${list.items.map((item) => html`<${Row} key=${item.id} item=${item} bot=${bot} list=${list} />`)}</ul>
        <//>
      <//>
    <//>
    ${adding && html`<${Add} bot=${bot} way=${adding} close=${() => add(null)} added=${added} />`}`;
}

/** @param {{item: any, bot: any, list: any}} of */
export function Row({ item, bot, list }) {
  const change = (/** @type {any} */ now) => list.change((/** @type {any[]} */ all) => all.map((one) => (one.id === now.id ? now : one)));
  return html`<li class="source">
    <a class="item" href=${href(`chatbots/${bot.id}/knowledge/${item.id}`)}>
      <${Kind} item=${item} />
      <span class="what"><span class="strong cut" dir="auto">${label(item)}</span>
        <span class="small quiet cut" dir="auto">${item.source && item.type !== "document" && item.source !== label(item) ? item.source : TYPES[item.type].name}</span></span>
      <span class="holds"><${Holds} item=${item} /></span>
      <span class="state"><${State} item=${item} /></span>
      <span class="small quiet when">${ago(item.indexedAt ?? item.createdAt)}</span>
    </a>
    <${Menu} label=${`Actions for ${label(item)}`} items=${actions(item, change, () => list.change((/** @type {any[]} */ all) => all.filter((one) => one.id !== item.id)))} />
  </li>`;
}

/**
 * What can be done with a source.
 * @param {any} item @param {(item: any) => void} change @param {() => void} gone
 */
export function actions(item, change, gone) {
  const act = (/** @type {string} */ verb, /** @type {string} */ told) => async () => {
    try {
      change(await post(`knowledge/${item.id}/${verb}`));
      toast(told);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { bad: true });
    }
  };
  const forget = () => confirm({
    title: `Delete “${label(item)}”?`,
    text: item.type === "crawl" ? "The site and all its pages are forgotten; the bot no longer answers from them." : "The bot no longer answers from it.",
    action: "Delete", danger: true,
    do: async () => {
      await remove(`knowledge/${item.id}`);
      toast("Deleted.");
      gone();
    },
  });
  const working = busy(item);
  const again = item.type === "url" || item.type === "crawl";
  /** @type {any[]} */
  const all = [
    item.status === "failed" && { label: "Try again", icon: "refresh", act: act("retry", "It is tried again.") },
    !working && again && item.status === "ready" && { label: "Fetch again now", icon: "refresh", act: act("resync", "It is fetched again. What has not changed is left as it is.") },
    working && { label: "Stop", icon: "close", act: act("cancel", "Stopped. What was indexed stays.") },
    { label: "Delete…", icon: "trash", danger: true, act: forget },
  ];
  return all.filter(Boolean);
}

/** Keep what is shown as it is now: told live, and looked at while something is in work. @param {string} bot @param {any} list */
export function useFresh(bot, list) {
  const latest = useRef(list);
  latest.current = list;
  const waits = list.items.some(busy) && list.items.length <= 30;
  useEffect(() => onLive((event, item) => {
    if (event === "reset") latest.current.reload(true);
    if (event !== "knowledge" || item.chatbotId !== bot) return;
    latest.current.change((/** @type {any[]} */ all) => all.map((one) => (one.id === item.id ? item : one)));
  }), [bot]);
  useEffect(() => {
    if (!waits) return;
    const timer = setInterval(() => document.hidden || latest.current.reload(true), LOOK);
    return () => clearInterval(timer);
  }, [waits]);
}

/** Tell after a moment without another keystroke. @param {(value: any) => void} told */
function useLate(told) {
  const [timer, set] = useState(0);
  return (/** @type {any} */ value) => {
    clearTimeout(timer);
    set(setTimeout(() => told(value), 300));
  };
}
