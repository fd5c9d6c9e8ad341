import { get, post, token } from "../core/api.js";
import { chatbots } from "../core/store.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { Select, TextArea } from "../parts/field.js";
import { Problem } from "../parts/states.js";
import { toast } from "../parts/toast.js";

/** A Q&A pair from a question. @param {{group: any, chatbot: string, close: () => void, done: () => void}} of */
export function Draft({ group, chatbot, close, done }) {
  const all = chatbots.value ?? [];
  const [bot, choose] = useState(chatbot || all[0]?.id);
  const [question, setQuestion] = useState(group.question);
  const [answer, setAnswer] = useState(group.draft ?? "");
  const [state, tell] = useState(/** @type {{busy?: boolean, error?: any}} */ ({}));
  const key = useRef(token()); // sent twice, because the second step failed, it is added once
  useEffect(() => {
    const [first] = group.conversationIds; // whose chatbot did not know it
    if (first) get(`conversations/${first}`).then((talk) => choose(talk.chatbotId), () => {});
  }, []);
  const another = () => void (key.current = token());
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    tell({ busy: true });
    try {
      await post("knowledge", { chatbotId: bot, type: "qa", content: { question: question.trim(), answer: answer.trim() } }, { key: key.current });
      await post(`analytics/unanswered/${group.id}/dismiss`);
      toast("Added to the knowledge. The chatbot knows it in a moment.");
      done();
    } catch (error) {
      tell({ error });
    }
  };
  return html`
    <${Dialog} wide title="Answer it once" close=${close} footer=${html`<${Button} act=${close}>Cancel<//>
      <${Button} kind="main" type="submit" form="draft" busy=${state.busy} disabled=${!question.trim() || !answer.trim()}>Add to the knowledge<//>`}>
      <form id="draft" class="stack" onSubmit=${submit}>
        ${state.error && html`<${Problem} error=${state.error} />`}
        ${all.length > 1 && html`<${Select} label="Chatbot" value=${bot} set=${(/** @type {string} */ v) => (another(), choose(v))} options=${all.map((one) => [one.id, one.name])} />`}
        <${TextArea} label="Question" required maxlength="2000" value=${question} set=${(/** @type {string} */ v) => (another(), setQuestion(v))} />
        <${TextArea} label="Answer" required rows="5" maxlength="20000" value=${answer} set=${(/** @type {string} */ v) => (another(), setAnswer(v))} hint=${group.draft ? "From a colleague's reply. Take out what was for that visitor alone." : "Given as you write it, to this question and those that mean the same."} />
      </form>
    <//>`;
}
