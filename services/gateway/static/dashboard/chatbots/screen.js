// A chatbot's settings: a tab each, one draft for all of them.
import { href } from "../core/router.js";
import { html } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Page, Tabs } from "../parts/page.js";
import { Empty, Loading, Problem } from "../parts/states.js";
import { Access } from "./access.js";
import { Appearance } from "./appearance.js";
import { useDraft } from "./draft.js";
import { Handoff } from "./handoff.js";
import { Install } from "./install.js";
import { Limits } from "./limits.js";
import { Personality } from "./personality.js";

const TABS = /** @type {[string, string, any][]} */ ([
  ["personality", "Personality", Personality],
  ["appearance", "Appearance", Appearance],
  ["handoff", "People and hours", Handoff],
  ["access", "Access", Access],
  ["limits", "Limits", Limits],
  ["install", "Install", Install],
]);

/** @param {{chatbot: string, tab?: string}} of */
export default function Chatbot({ chatbot, tab = "personality" }) {
  const draft = useDraft(chatbot);
  const [, , Shown] = TABS.find(([name]) => name === tab) ?? [];
  const tabs = html`<${Tabs} label="Settings of the chatbot" tabs=${TABS.map(([name, label]) => ({ label, href: href(`chatbots/${chatbot}/${name}`), on: name === tab }))} />`;
  if (draft.loaded.error?.status === 404) {
    return html`<${Empty} whole icon="bot" title="This chatbot is gone" text="It was deleted, or it never was."><${Button} href=${href("chatbots")}>See all chatbots<//><//>`;
  }
  return html`
    <${Page} title=${draft.draft ? draft.loaded.data?.data.name : "Chatbot"} tabs=${tabs}>
      ${draft.loaded.error && html`<${Problem} error=${draft.loaded.error} retry=${draft.loaded.reload} />`}
      ${!draft.draft && !draft.loaded.error && html`<${Loading} lines=${6} />`}
      ${draft.draft && (Shown ? html`<${Shown} draft=${draft} bot=${draft.draft} />`
        : html`<${Empty} icon="search" title="There is nothing here"><${Button} href=${href(`chatbots/${chatbot}`)}>Go to the chatbot<//><//>`)}
      ${draft.dirty && html`<${SaveBar} draft=${draft} />`}
    <//>`;
}

/** @param {{draft: ReturnType<typeof useDraft>}} of */
function SaveBar({ draft }) {
  const { error } = draft;
  return html`
    <div class="savebar" role="region" aria-label="Unsaved changes">
      ${error ? html`<span class="bad small grow" role="alert">${error.status === 412 ? "Someone else changed this chatbot meanwhile. Discard, and make your changes again." : error.message}</span>` : html`<span class="small grow">Not saved yet</span>`}
      <${Button} kind="bare small" disabled=${draft.busy} act=${error?.status === 412 ? draft.loaded.reload : draft.discard}>Discard<//>
      <${Button} kind="main small" busy=${draft.busy} act=${draft.save}>Save changes<//>
    </div>`;
}
