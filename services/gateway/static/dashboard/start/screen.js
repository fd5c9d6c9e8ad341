// The first steps, each open when the one before is done; where one is follows from what there is.
import { get } from "../core/api.js";
import { useLoad } from "../core/load.js";
import { go, href } from "../core/router.js";
import { chatbot as known, isNew, me, putChatbot } from "../core/store.js";
import { html, useEffect, useState } from "../core/ui.js";
import { Button, Code } from "../parts/button.js";
import { Icon } from "../parts/icon.js";
import { Page } from "../parts/page.js";
import { Problem } from "../parts/states.js";
import { Tryout } from "../parts/tryout.js";
import { NewChatbot } from "./new.js";
import { Site } from "./site.js";

/** @param {string} id */
export const embed = (id) => `<script src="${location.origin}/widget.js" data-chatbot="${id}" async></script>`;

/** @param {{chatbot?: string}} of */
export default function Start({ chatbot }) {
  const first = useState(isNew.value)[0];
  const bot = chatbot ? known(chatbot) : undefined;
  const here = useLoad(async (signal) => (chatbot ? state(chatbot, signal) : { items: [], asked: false }), [chatbot]);
  const { items, asked } = here.data ?? { items: /** @type {any[]} */ ([]), asked: false };
  const learnt = items.some((/** @type {any} */ item) => item.status === "ready" || item.progress.indexed > 0);
  const [tried, setTried] = useState(false);
  const [copied, setCopied] = useState(false);
  useEffect(() => setTried(false), [chatbot]);
  if (chatbot && here.error) return html`<${Page} narrow title="First steps"><${Problem} error=${here.error} retry=${here.reload} /><//>`;
  const made = (/** @type {any} */ created) => {
    putChatbot(created);
    go(`start/${created.id}`, { replace: true });
  };
  const asks = asked || tried;
  return html`
    <${Page} narrow title=${first ? `Welcome${me.value.user.name ? `, ${me.value.user.name}` : ""}` : "New chatbot"}
      text="Four steps from nothing to a chatbot on your site that answers from your own pages.">
      <ol class="steps">
        <${Step} n=${1} title="Make a chatbot" done=${!!chatbot} open=${!chatbot} said=${bot?.name}>
          <${NewChatbot} made=${made} /><//>
        <${Step} n=${2} title="Give it your site" done=${learnt} open=${!!chatbot && here.data !== undefined} said="Its pages are what it answers from.">
          ${chatbot && html`<${Site} key=${chatbot} chatbot=${chatbot} website=${bot?.website ?? ""} items=${items} changed=${here.reload} />`}<//>
        <${Step} n=${3} title="Ask it something" done=${asks} open=${learnt} said="See what your visitors will see.">
          ${chatbot && html`<${Tryout} chatbot=${chatbot} answered=${() => setTried(true)} />`}<//>
        <${Step} n=${4} title="Put it on your site" done=${copied} open=${learnt} said="One line before the end of your pages' body.">
          ${chatbot && html`<div class="stack" onClick=${() => setCopied(true)}><${Code} text=${embed(chatbot)} label="Copy line" /></div>
            <div class="row wrap finish"><${Button} kind="main" href=${href("overview")}>Go to the overview<//>
            <${Button} href=${href(`chatbots/${chatbot}/appearance`)}>Change how it looks<//></div>`}<//>
      </ol>
    <//>`;
}

/** @param {string} chatbot @param {AbortSignal} signal */
async function state(chatbot, signal) {
  const [crawls, items, talks] = await Promise.all([
    get("knowledge", { chatbotId: chatbot, type: "crawl", limit: 1 }, signal),
    get("knowledge", { chatbotId: chatbot, limit: 20 }, signal),
    get("conversations", { chatbotId: chatbot, limit: 1 }, signal),
  ]);
  return { items: [...crawls.data, ...items.data], asked: talks.data.length > 0 };
}

/** @param {{n: number, title: string, done: boolean, open: boolean, said?: string, children?: any}} of */
const Step = ({ n, title, done, open, said, children }) => html`
  <li class=${`step ${done ? "done" : ""} ${open ? "open" : ""}`} aria-current=${open && !done ? "step" : undefined}>
    <span class="n">${done ? html`<${Icon} name="check" />` : n}</span>
    <div class="grow stack">
      <div><h2>${title}${done && html`<span class="hush"> (done)</span>`}</h2>${said && html`<p class="quiet small">${said}</p>`}</div>
      ${open && children}
    </div>
  </li>`;
