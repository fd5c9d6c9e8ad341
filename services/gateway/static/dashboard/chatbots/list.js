import { day, language } from "../core/format.js";
import { useList } from "../core/load.js";
import { href } from "../core/router.js";
import { may } from "../core/store.js";
import { html } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Card, Page } from "../parts/page.js";
import { Avatar, Empty, Listed } from "../parts/states.js";

export default function Chatbots() {
  const list = useList("chatbots");
  const make = may("admin") && html`<${Button} kind="main" icon="plus" href=${href("start")}>New chatbot<//>`;
  return html`
    <${Page} title="Chatbots" text="Each has its own knowledge, looks and rules." actions=${make}>
      <${Card} bare>
        <${Listed} list=${list} empty=${html`<${Empty} icon="bot" title="No chatbots yet" text="Make one, give it your site, and it answers from your pages.">${make}<//>`}>
          <ul class="list">${list.items.map((bot) => html`<li key=${bot.id}><a class="item" href=${href(`chatbots/${bot.id}`)}>
            <${Avatar} name=${bot.name} square />
            <span class="grow"><span class="cut strong" style=${{ display: "block" }} dir="auto">${bot.name}</span>
              <span class="cut small quiet" style=${{ display: "block" }}>${[bot.website, language(bot.language), `since ${day(bot.createdAt)}`].filter(Boolean).join(" · ")}</span></span>
            ${!bot.widget.enabled && html`<span class="badge">Widget off</span>`}</a></li>`)}</ul>
        <//>
      <//>
    <//>`;
}
