import { get, post } from "../core/api.js";
import { plural } from "../core/format.js";
import { href } from "../core/router.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { TextField, wrongIn } from "../parts/field.js";
import { Badge, Note, Problem } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { complete } from "./new.js";

const EVERY = 1_200; // ms between two looks at what is indexed
const SHOWN = 8;
const PAGES = 50; // to begin with; the Knowledge screen takes more
const STATES = /** @type {Record<string, [string, string]>} */ ({
  pending: ["", "Waiting"], processing: ["accent", "Reading"], ready: ["good", "Ready"], failed: ["bad", "Failed"],
});

/** @param {{chatbot: string, website: string, items: any[], changed: () => void}} of */
export function Site({ chatbot, website, items, changed }) {
  const [crawl, set] = useState(items.find((item) => item.type === "crawl"));
  if (crawl) return html`<${Watch} key=${crawl.id} first=${crawl} changed=${changed} again=${() => set(undefined)} chatbot=${chatbot} />`;
  if (items.length) return html`<p class="quiet">${plural(items.length, "item")} of knowledge. <a href=${href(`chatbots/${chatbot}/knowledge`)}>Look at all</a></p>`;
  return html`<${Ask} chatbot=${chatbot} website=${website} began=${set} />`;
}

/** @param {{chatbot: string, website: string, began: (crawl: any) => void}} of */
function Ask({ chatbot, website, began }) {
  const [url, write] = useState(website);
  const [state, tell] = useState(/** @type {{busy?: boolean, error?: any}} */ ({}));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    tell({ busy: true });
    const address = complete(url);
    const sitemap = /sitemap[^/]*\.xml($|\?)/i.test(address);
    try {
      began(await post("knowledge/scrape", { chatbotId: chatbot, ...(sitemap ? { sitemap: address } : { url: address }), maxPages: PAGES }));
      toast("Reading your site has begun.");
    } catch (error) {
      tell({ error });
    }
  };
  const wrong = wrongIn(state.error, "url") ?? wrongIn(state.error, "sitemap");
  return html`
    <form class="stack" onSubmit=${submit}>
      ${state.error && !wrong && html`<${Problem} error=${state.error} />`}
      <${TextField} label="Address of your site or its sitemap" required inputmode="url" dir="ltr" placeholder="https://www.example.com/help" value=${url} set=${write} wrong=${wrong}
        hint=${`Links are followed from there, up to ${PAGES} pages to begin with. robots.txt is respected.`} />
      <div class="row wrap"><${Button} kind="main" type="submit" busy=${state.busy}>Read the site<//>
        <${Button} kind="bare" href=${href(`chatbots/${chatbot}/knowledge`)}>Add files or text instead<//></div>
    </form>`;
}

/** A crawl as it goes on, page by page. @param {{first: any, changed: () => void, again: () => void, chatbot: string}} of */
function Watch({ first, changed, again, chatbot }) {
  const [crawl, set] = useState(first);
  const [pages, setPages] = useState(/** @type {any[]} */ ([]));
  const [error, fail] = useState(/** @type {any} */ (null));
  const told = useRef(false);
  useEffect(() => {
    let timer = 0;
    let gone = false;
    const look = async () => {
      try {
        const [item, list] = await Promise.all([get(`knowledge/${first.id}`), get("knowledge", { chatbotId: chatbot, parentId: first.id, limit: SHOWN })]);
        if (gone) return;
        set(item);
        setPages(list.data);
        fail(null);
        if (!told.current && (item.progress.indexed > 0 || item.status === "ready")) {
          told.current = true;
          changed();
        }
        if (item.status === "ready" || item.status === "failed") return changed();
      } catch (problem) {
        if (gone) return;
        fail(problem);
      }
      timer = window.setTimeout(look, EVERY);
    };
    look();
    return () => ((gone = true), clearTimeout(timer));
  }, [first.id]);
  const { progress, status } = crawl;
  const ended = status === "ready" || status === "failed";
  const settled = progress.indexed + progress.failed;
  return html`
    <div class="stack">
      <div class="row between"><span class="cut small" dir="ltr">${crawl.source}</span><${Badge} kind=${STATES[status][0]} dot>${STATES[status][1]}<//></div>
      <progress max=${Math.max(progress.found, settled, 1)} value=${ended ? Math.max(progress.found, settled, 1) : settled} aria-label="Pages read" />
      <p class="small quiet num" role="status">${plural(progress.indexed, "page")} ready${progress.failed ? `, ${progress.failed} failed` : ""}${ended ? "" : ` of ${progress.found || "those being found"}…`}</p>
      ${error && html`<${Note} icon="alert" kind="warn">${error.message} Looking again…<//>`}
      ${crawl.error && html`<${Problem} error=${crawl.error} />`}
      <ul class="card list">${pages.map((page) => html`<li class="page-row" key=${page.id}>
        <div class="grow"><div class="cut small" dir="auto">${page.title || page.source}</div>
          ${page.error && html`<div class="tiny bad">${page.error.message}</div>`}</div>
        <${Badge} kind=${STATES[page.status][0]}>${STATES[page.status][1]}<//></li>`)}</ul>
      <div class="row wrap">
        ${ended && html`<${Button} kind="small" href=${href(`chatbots/${chatbot}/knowledge`)}>Look at all pages<//>`}
        ${status === "failed" && html`<${Button} kind="small" act=${again}>Try another address<//>`}
      </div>
    </div>`;
}
