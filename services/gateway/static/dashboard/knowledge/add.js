// Giving a chatbot something to know: a site, a page, files, a text, a question with its answer.
import { call, post } from "../core/api.js";
import { bytes, plural } from "../core/format.js";
import { html, useRef, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { Select, TextArea, TextField, wrongIn } from "../parts/field.js";
import { Icon } from "../parts/icon.js";
import { Note, Problem } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { REFRESHES } from "./words.js";

/** @type {{key: string, label: string, icon: import("../parts/icon.js").IconName}[]} */
export const WAYS = [
  { key: "site", label: "A site", icon: "globe" },
  { key: "page", label: "One page", icon: "code" },
  { key: "files", label: "Files", icon: "upload" },
  { key: "text", label: "A text", icon: "note" },
  { key: "qa", label: "A question and its answer", icon: "question" },
];
const TITLES = /** @type {Record<string, string>} */ ({ site: "Add a site", page: "Add a page", files: "Upload files", text: "Add a text", qa: "Add a question and its answer" });
const MOST_FILES = 20;
const ENDINGS = ".pdf,.docx,.txt,.md,.markdown";

/** @param {{bot: any, way: string, close: () => void, added: () => void}} of */
export function Add({ bot, way, close, added }) {
  const [values, set] = useState(/** @type {Record<string, any>} */ (way === "site" ? { address: bot.website ?? "", refresh: "weekly" } : { refresh: "never" }));
  const [files, choose] = useState(/** @type {File[]} */ ([]));
  const [refused, refuse] = useState(/** @type {any[]} */ ([]));
  const [error, fail] = useState(/** @type {any} */ (null));
  const [busy, work] = useState(false);
  const put = (/** @type {string} */ name) => (/** @type {any} */ value) => set((now) => ({ ...now, [name]: value }));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (way === "files" && !files.length) return fail({ message: "Choose at least one file." });
    work(true);
    fail(null);
    try {
      const bad = await SEND[way](bot.id, values, files);
      added();
      if (bad?.length) return refuse(bad), choose([]);
      toast(TOLD[way]);
      close();
    } catch (problem) {
      fail(problem);
    } finally {
      work(false);
    }
  };
  const fields = { values, put, error, files, choose };
  return html`
    <${Dialog} title=${TITLES[way]} close=${() => busy || close()} wide=${way !== "page"}
      footer=${html`<${Button} act=${close} disabled=${busy}>${refused.length ? "Close" : "Cancel"}<//><${Button} kind="main" type="submit" form="adding" busy=${busy}>${way === "files" ? (files.length ? `Upload ${plural(files.length, "file")}` : "Upload") : "Add"}<//>`}>
      <form id="adding" class="stack" onSubmit=${submit}>
        ${FORMS[way](fields)}
        ${refused.length > 0 && html`<${Note} kind="warn" icon="alert"><b>${plural(refused.length, "file")} could not be taken.</b>
          <ul class="refused">${refused.map((item) => html`<li><b dir="auto">${item.title || item.source}</b>: ${item.error?.message}</li>`)}</ul><//>`}
        ${error && !["source", "url", "sitemap"].includes(error.details?.field) && html`<${Problem} error=${error} />`}
      </form>
    <//>`;
}

/** @typedef {{values: Record<string, any>, put: (name: string) => (value: any) => void, error: any, files: File[], choose: (files: File[]) => void}} Fields */

/** @type {Record<string, (of: Fields) => any>} */
const FORMS = {
  site: ({ values, put, error }) => html`
    <${TextField} label="Address" type="url" required placeholder="https://example.com/help" dir="ltr" value=${values.address} set=${put("address")}
      wrong=${wrongIn(error, "url") ?? wrongIn(error, "sitemap")} hint="A page to start from, or a sitemap (…/sitemap.xml). Links on the same site are followed, and robots.txt is obeyed." />
    <${Select} label="Fetch again" value=${values.refresh} set=${put("refresh")} options=${REFRESHES} hint="Only what changed is indexed anew; pages that are gone are forgotten." />
    <details class="more-options"><summary>Which pages</summary><div class="stack">
      <div class="pair">
        <${TextField} label="Pages at most" type="number" min="1" inputmode="numeric" value=${values.maxPages ?? ""} set=${put("maxPages")} placeholder="No limit but the plan's" />
        <${TextField} label="Links deep" type="number" min="0" inputmode="numeric" value=${values.maxDepth ?? ""} set=${put("maxDepth")} placeholder="No limit" />
      </div>
      <${TextArea} label="Only addresses like" dir="ltr" rows="2" value=${values.include ?? ""} set=${put("include")} placeholder="/help/*" hint="One pattern a line; * stands for anything." />
      <${TextArea} label="But not" dir="ltr" rows="2" value=${values.exclude ?? ""} set=${put("exclude")} placeholder="/blog/*" />
    </div></details>`,
  page: ({ values, put, error }) => html`
    <${TextField} label="Address of the page" type="url" required placeholder="https://example.com/faq" dir="ltr" value=${values.address} set=${put("address")} wrong=${wrongIn(error, "source")} />
    <${Select} label="Fetch again" value=${values.refresh} set=${put("refresh")} options=${REFRESHES} />`,
  files: (of) => html`<${Drop} ...${of} />`,
  text: ({ values, put }) => html`
    <${TextField} label="Title" required maxlength="500" value=${values.title} set=${put("title")} hint="Shown as the source of an answer." />
    <${TextArea} label="Text" required rows="10" maxlength="500000" value=${values.content} set=${put("content")} />`,
  qa: ({ values, put }) => html`
    <${TextField} label="Question" required maxlength="2000" value=${values.question} set=${put("question")} placeholder="How do I reset my password?" />
    <${TextArea} label="Answer" required rows="6" maxlength="20000" value=${values.answer} set=${put("answer")} hint="Given word for word where no model is set up." />`,
};

/** @param {Fields} of */
function Drop({ files, choose }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [over, set] = useState(false);
  const take = (/** @type {Iterable<File>} */ more) => choose([...files, ...more].slice(0, MOST_FILES));
  const drop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    set(false);
    take(event.dataTransfer?.files ?? []);
  };
  return html`
    <div class=${`drop ${over ? "over" : ""}`} onDragOver=${(/** @type {Event} */ e) => (e.preventDefault(), set(true))} onDragLeave=${() => set(false)} onDrop=${drop}>
      <${Icon} name="upload" kind="big" />
      <p><b>Drop files here</b> or <button class="link" type="button" onClick=${() => input.current?.click()}>choose them</button></p>
      <p class="small quiet">PDF, Word (DOCX), Markdown or plain text</p>
      <input ref=${input} class="hush" type="file" multiple accept=${ENDINGS} tabindex="-1" aria-label="Files" onChange=${(/** @type {any} */ e) => (take(e.target.files), (e.target.value = ""))} />
    </div>
    ${files.length > 0 && html`<ul class="files">${files.map((file, i) => html`<li>
      <${Icon} name="file" /><span class="grow cut" dir="auto">${file.name}</span><span class="small quiet">${bytes(file.size)}</span>
      <${Button} kind="bare small" icon="close" label=${`Leave out ${file.name}`} act=${() => choose(files.filter((_, j) => j !== i))} /></li>`)}</ul>`}`;
}

/** @param {string | undefined} text */
const lines = (text) => (text ?? "").split("\n").map((line) => line.trim()).filter(Boolean);
/** @param {any} text */
const whole = (text) => (text === undefined || text === "" ? undefined : Number(text));

/** Each sends what was filled in; what was refused of it comes back. @type {Record<string, (bot: string, values: Record<string, any>, files: File[]) => Promise<any>>} */
const SEND = {
  site: async (bot, { address, refresh, maxPages, maxDepth, include, exclude }) => {
    const start = /\.xml(\.gz)?($|\?)/i.test(address) ? { sitemap: address.trim() } : { url: address.trim() };
    const options = { refresh, maxPages: whole(maxPages), maxDepth: whole(maxDepth), include: lines(include), exclude: lines(exclude) };
    await post("knowledge/scrape", { chatbotId: bot, ...start, ...options });
  },
  page: async (bot, { address, refresh }) => void (await post("knowledge", { chatbotId: bot, type: "url", source: address.trim(), refresh })),
  text: async (bot, { title, content }) => void (await post("knowledge", { chatbotId: bot, type: "text", title, content })),
  qa: async (bot, { question, answer }) => void (await post("knowledge", { chatbotId: bot, type: "qa", content: { question, answer } })),
  files: async (bot, _, files) => {
    const form = new FormData();
    form.append("chatbotId", bot);
    for (const file of files) form.append("file", file, file.name);
    const { data } = await call("POST", "knowledge/upload", { form });
    return data.filter((/** @type {any} */ item) => item.status === "failed");
  },
};

const TOLD = /** @type {Record<string, string>} */ ({
  site: "The site is being read. Its pages can be found one by one as they come in.",
  page: "The page is being read.",
  files: "The files are being read.",
  text: "Added. It can be found in a few seconds.",
  qa: "Added. It can be found in a few seconds.",
});
