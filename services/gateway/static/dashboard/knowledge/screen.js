// What a chatbot knows: its sources, one of them, or the search over all.
import { href } from "../core/router.js";
import { chatbot } from "../core/store.js";
import { html } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Tabs } from "../parts/page.js";
import { Empty } from "../parts/states.js";
import { Item } from "./item.js";
import { Playground } from "./playground.js";
import { Sources } from "./sources.js";

/** @param {{chatbot: string, item?: string, query: Record<string, string>}} of */
export default function Knowledge({ chatbot: id, item, query }) {
  const bot = chatbot(id);
  if (!bot) {
    return html`<${Empty} whole icon="bot" title="There is no such chatbot" text="It may have been deleted.">
      <${Button} href=${href("chatbots")}>All chatbots<//><//>`;
  }
  const tabs = html`<${Tabs} label="Knowledge" tabs=${[
    { href: href(`chatbots/${id}/knowledge`), label: "Sources", on: !item },
    { href: href(`chatbots/${id}/knowledge/search`), label: "Search playground", on: item === "search" },
  ]} />`;
  if (item === "search") return html`<${Playground} bot=${bot} query=${query} tabs=${tabs} />`;
  if (item) return html`<${Item} bot=${bot} id=${item} key=${item} />`;
  return html`<${Sources} bot=${bot} query=${query} tabs=${tabs} />`;
}
