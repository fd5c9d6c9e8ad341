// Dialogs: the browser's own <dialog> keeps the focus inside and gives it back.
import { html, signal, useEffect, useId, useRef, useState } from "../core/ui.js";
import { Button } from "./button.js";
import { Problem } from "./states.js";

/** @param {{title: string, close: () => void, wide?: boolean, children?: any, footer?: any}} of */
export function Dialog({ title, close, wide = false, children, footer }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const dialog = /** @type {HTMLDialogElement} */ (element.current);
    dialog.showModal();
    return () => dialog.close();
  }, []);
  const outside = (/** @type {any} */ event) => event.target === element.current && close();
  return html`
    <dialog ref=${element} class=${wide ? "wide" : ""} aria-labelledby=${id} onMouseDown=${outside}
      onCancel=${(/** @type {Event} */ event) => (event.preventDefault(), close())}>
      <header><h2 id=${id}>${title}</h2><${Button} kind="bare small" icon="close" label="Close" act=${close} /></header>
      <div class="body">${children}</div>
      ${footer && html`<footer>${footer}</footer>`}
    </dialog>`;
}

/**
 * @typedef {{title: string, text?: any, action: string, danger?: boolean, typed?: string,
 *   do?: () => Promise<any>}} Question
 */
const asked = signal(/** @type {(Question & {answer: (yes: boolean) => void}) | null} */ (null));

/**
 * Ask before something that can't be taken back. With `do`, the dialog stays until it is done and
 * shows what went wrong. @param {Question} question @returns {Promise<boolean>}
 */
export function confirm(question) {
  return new Promise((answer) => {
    asked.value = { ...question, answer };
  });
}

export const Confirm = () => asked.value && html`<${Asking} question=${asked.value} key=${asked.value.title} />`;

/** @param {{question: Question & {answer: (yes: boolean) => void}}} of */
function Asking({ question }) {
  const [typed, type] = useState("");
  const [error, fail] = useState(/** @type {any} */ (null));
  const [busy, work] = useState(false);
  const end = (/** @type {boolean} */ yes) => {
    asked.value = null;
    question.answer(yes);
  };
  const act = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (question.typed && typed.trim() !== question.typed) return;
    work(true);
    try {
      await question.do?.();
      end(true);
    } catch (problem) {
      fail(problem);
      work(false);
    }
  };
  const ready = !question.typed || typed.trim() === question.typed;
  return html`
    <${Dialog} title=${question.title} close=${() => busy || end(false)}
      footer=${html`<${Button} act=${() => end(false)} disabled=${busy}>Cancel<//>
        <${Button} kind=${`main ${question.danger ? "danger" : ""}`} type="submit" form="asking" busy=${busy} disabled=${!ready}>${question.action}<//>`}>
      <form id="asking" class="stack" onSubmit=${act}>
        ${question.text && html`<p class="quiet">${question.text}</p>`}
        ${question.typed && html`<label class="field"><span>Type <b>${question.typed}</b> to confirm</span>
          <input class="input" autocomplete="off" value=${typed} onInput=${(/** @type {any} */ e) => type(e.target.value)} /></label>`}
        ${error && html`<${Problem} error=${error} />`}
      </form>
    <//>`;
}
