import { html, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Icon } from "../parts/icon.js";

/** What was begun, by conversation: it survives a look at another one. @type {Map<string, string>} */
const drafts = new Map();
const LONGEST = 8_000; // characters

/** @param {{id: string, conversation: any, note: boolean, setNote: (note: boolean) => void, send: (text: string, note: boolean) => void, writes: () => void}} of */
export function Composer({ id, conversation, note, setNote, send, writes }) {
  const [text, set] = useState(drafts.get(id) ?? "");
  const write = (/** @type {string} */ value) => {
    set(value);
    drafts.set(id, value);
    if (!note) writes();
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!text.trim()) return;
    send(text.trim(), note);
    write("");
  };
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") /** @type {HTMLElement} */ (event.target).blur();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  };
  const silent = conversation.status !== "escalated" && !note;
  return html`
    <form class=${`composer ${note ? "noting" : ""}`} onSubmit=${submit}>
      <div class="row between">
        <div class="modes" role="group" aria-label="Kind of message">
          <button type="button" aria-pressed=${String(!note)} onClick=${() => setNote(false)}>Reply</button>
          <button type="button" aria-pressed=${String(note)} onClick=${() => setNote(true)}>Note</button>
        </div>
        ${silent && html`<span class="tiny quiet row"><${Icon} name="info" /><span class="cut">${conversation.status === "resolved" ? "A reply opens it again" : "A reply takes over from the bot"}</span></span>`}
      </div>
      <textarea id="composer" dir="auto" rows="2" maxlength=${LONGEST} value=${text} onInput=${(/** @type {any} */ e) => write(e.target.value)} onKeyDown=${keys}
        aria-label=${note ? "Note for your team" : "Reply to the visitor"} placeholder=${note ? "Write a note. Only your team sees it." : "Write a reply…"} />
      <div class="row between"><span class="tiny quiet"><kbd>Enter</kbd> sends</span>
        <${Button} kind="main small" type="submit" icon=${note ? "note" : "send"} disabled=${!text.trim()}>${note ? "Add note" : "Send"}<//></div>
    </form>`;
}
