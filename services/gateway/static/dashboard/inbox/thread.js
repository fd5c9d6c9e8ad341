import { day, visitor } from "../core/format.js";
import { useKeys } from "../core/keys.js";
import { go, href } from "../core/router.js";
import { chatbot, me } from "../core/store.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Loading, Problem } from "../parts/states.js";
import { toast } from "../parts/toast.js";
import { Composer } from "./composer.js";
import { Details } from "./details.js";
import { Message, Unsent } from "./message.js";
import { Status } from "./rows.js";
import { useTalk } from "./talk.js";

const NEAR = 120; // px from the end within which one reads along

/** @param {{id: string, query: Record<string, string>, tags: string[]}} of */
export function Thread({ id, query, tags }) {
  const talk = useTalk(id);
  const [aside, showAside] = useState(matchMedia("(min-width: 1240px)").matches);
  const [note, writeNote] = useState(false);
  const act = useActions(talk);
  const focus = (/** @type {string} */ name) => requestAnimationFrame(() => document.getElementById(name)?.focus());
  useKeys({
    r: () => (writeNote(false), focus("composer")),
    n: () => (writeNote(true), focus("composer")),
    a: () => talk.conversation && act.assign(me.value.user.id),
    e: () => talk.conversation?.status !== "resolved" && act.move("resolve"),
    b: () => talk.conversation && talk.conversation.status !== "open" && act.move("handback"),
    t: () => (showAside(true), focus("new-tag")),
  });
  const { conversation } = talk;
  if (!conversation) {
    return html`<section class="thread" aria-label="Conversation"><div class="page">
      ${talk.error ? html`<${Problem} error=${talk.error} retry=${talk.error.status === 404 ? undefined : talk.reload} />
        <p><br /><a href=${href("inbox", query)}>Back to the inbox</a></p>` : html`<${Loading} lines=${6} />`}</div></section>`;
  }
  return html`
    <section class="thread" aria-label="Conversation">
      <header class="thread-head">
        <${Button} kind="bare small back" icon="left" label="Back to the list" act=${() => go("inbox", { query })} />
        <div class="grow"><h1 class="cut">${visitor(conversation.visitorId)}</h1>
          <div class="row tiny quiet"><${Status} status=${conversation.status} /><span class="cut">${chatbot(conversation.chatbotId)?.name ?? ""}</span></div></div>
        <${Moves} status=${conversation.status} act=${act} />
        <${Button} kind="bare small" icon="info" label=${aside ? "Hide details" : "Show details"} aria-expanded=${String(aside)} act=${() => showAside(!aside)} />
      </header>
      <${Messages} talk=${talk} />
      <${Composer} key=${id} id=${id} conversation=${conversation} note=${note} setNote=${writeNote} send=${talk.send} writes=${talk.writes} />
    </section>
    ${aside && html`<${Details} conversation=${conversation} tags=${tags} act=${act} close=${() => showAside(false)} query=${query} />`}`;
}

/** The acts of a talk, each with a word on what happened. @param {ReturnType<typeof useTalk>} talk */
function useActions(talk) {
  const said = (/** @type {Promise<any>} */ done, /** @type {string} */ text) =>
    done.then(() => toast(text), (error) => toast(error.message, { bad: true }));
  const MOVED = { resolve: "Resolved.", handback: "Given back to the bot.", escalate: "Yours now: the bot is silent." };
  return {
    assign: (/** @type {string | null} */ userId) => said(talk.assign(userId), userId === null ? "Nobody is assigned now." : userId === me.value.user.id ? "Assigned to you." : "Assigned."),
    tag: (/** @type {string[]} */ tags, /** @type {string} */ text) => said(talk.tag(tags), text),
    move: (/** @type {"resolve" | "handback" | "escalate"} */ verb) => said(talk.move(verb), MOVED[verb]),
  };
}

/** @param {{status: string, act: any}} of */
const Moves = ({ status, act }) => html`
  <div class="row moves">
    ${status === "open" && html`<${Button} kind="small" act=${() => act.move("escalate")}>Take over<//>`}
    ${status === "escalated" && html`<${Button} kind="small" icon="bot" act=${() => act.move("handback")}>Hand back<//>`}
    ${status === "resolved" ? html`<${Button} kind="small" act=${() => act.move("handback")}>Reopen<//>`
      : html`<${Button} kind="small" icon="check" act=${() => act.move("resolve")}>Resolve<//>`}
  </div>`;

/** @param {{talk: ReturnType<typeof useTalk>}} of */
function Messages({ talk }) {
  const log = useRef(/** @type {HTMLElement | null} */ (null));
  const along = useRef(true);
  const [below, tell] = useState(false);
  const { messages, pending, typing, conversation } = talk;
  const size = messages.length + pending.length;
  const fromEnd = useRef(0); // px, while earlier ones are put above
  useLayoutEffect(() => {
    const box = /** @type {HTMLElement} */ (log.current);
    if (fromEnd.current) {
      box.scrollTop = box.scrollHeight - fromEnd.current;
      fromEnd.current = 0;
    } else if (along.current || pending.length) box.scrollTop = box.scrollHeight;
    else tell(true);
  }, [size, typing, messages.at(-1)?.text]);
  const scrolled = () => {
    const box = /** @type {HTMLElement} */ (log.current);
    along.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
    if (along.current && below) tell(false);
  };
  const earlier = () => talk.more(() => {
    const box = /** @type {HTMLElement} */ (log.current);
    fromEnd.current = box.scrollHeight - box.scrollTop;
    box.focus(); // the button may be gone in a moment
  });
  const down = () => /** @type {HTMLElement} */ (log.current).scrollTo({ top: 1e9, behavior: "smooth" });
  useEffect(() => {
    const box = /** @type {HTMLElement} */ (log.current);
    const watch = new ResizeObserver(() => along.current && (box.scrollTop = box.scrollHeight));
    watch.observe(box);
    return () => watch.disconnect();
  }, []);
  return html`
    <div class="log" ref=${log} onScroll=${scrolled} role="log" aria-label="Messages" tabindex="0">
      ${talk.earlier && html`<${Button} kind="small earlier" act=${earlier}>Earlier messages<//>`}
      ${messages.map((message, i) => html`
        ${day(message.createdAt) !== (messages[i - 1] && day(messages[i - 1].createdAt)) && html`<div class="day" key=${`day-${message.id}`}>${day(message.createdAt)}</div>`}
        <${Message} key=${message.id} message=${message} bot=${chatbot(conversation.chatbotId)?.name ?? "Bot"} />`)}
      ${pending.map((one) => html`<${Unsent} key=${one.key} one=${one} again=${talk.again} discard=${talk.discard} />`)}
      ${(typing || conversation.answerId) && html`<div class="tiny quiet typing" role="status">${typing ? "The visitor is typing…" : "The bot is answering…"}</div>`}
      ${below && html`<button type="button" class="button small below" onClick=${down}>New messages ↓</button>`}
    </div>`;
}
