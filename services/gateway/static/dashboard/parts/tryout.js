// A question to the chatbot, and what it says, with its sources.
import { ask } from "../core/ask.js";
import { html, useState } from "../core/ui.js";
import { Button } from "./button.js";
import { TextField } from "./field.js";
import { Markdown } from "./markdown.js";
import { Note, Problem } from "./states.js";

/** @param {{chatbot: string, answered?: () => void, placeholder?: string}} of */
export function Tryout({ chatbot, answered, placeholder = "Ask what your visitors ask" }) {
  const [text, write] = useState("");
  const [state, set] = useState(/** @type {{busy?: boolean, question?: string, answer?: any, error?: any}} */ ({}));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const question = text.trim();
    if (!question) return;
    set({ busy: true, question });
    try {
      const answer = await ask(chatbot, question, (part) => set({ busy: true, question, answer: part }));
      set({ question, answer });
      write("");
      answered?.();
    } catch (error) {
      set({ question, error });
    }
  };
  const { busy = false, question, answer, error } = state;
  return html`
    <div class="stack">
      <form class="row tryout" onSubmit=${submit}>
        <div class="grow"><${TextField} label="Question" hidden placeholder=${placeholder} maxlength="8000" value=${text} set=${write} disabled=${busy} /></div>
        <${Button} kind="main" type="submit" icon="send" busy=${busy} disabled=${!text.trim()}>Ask<//>
      </form>
      ${question && html`<div class="stack tried" aria-live="polite" aria-busy=${String(busy)}>
        <p class="strong" dir="auto">${question}</p>
        ${answer?.text && html`<${Markdown} text=${answer.text} />`}
        ${error && html`<${Problem} error=${error} />`}
        ${answer?.finishReason === "no_answer" && html`<${Note} icon="info" kind="warn">The knowledge has no answer to this, and the bot said so instead of guessing. Add a page or a Q&A pair that covers it.<//>`}
        ${answer?.sources?.length > 0 && html`<ul class="stack tight small">${answer.sources.map((/** @type {any} */ source, /** @type {number} */ i) => html`
          <li class="row"><span class="badge">${i + 1}</span><span class="cut" dir="auto">${source.url && /^https?:/.test(source.url) ? html`<a href=${source.url} target="_blank" rel="noopener noreferrer">${source.title}</a>` : source.title}</span></li>`)}</ul>`}
      </div>`}
    </div>`;
}
