import { remove } from "../core/api.js";
import { go, leaving } from "../core/router.js";
import { dropChatbot } from "../core/store.js";
import { html } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { confirm } from "../parts/dialog.js";
import { TextField } from "../parts/field.js";
import { Card } from "../parts/page.js";
import { toast } from "../parts/toast.js";

/** @param {string} text */
const whole = (text) => (/^\d+$/.test(text) ? Number(text) : null);

/** @param {{draft: any, bot: any}} of */
export function Limits({ draft: { change, wrong, loaded }, bot }) {
  const erase = async () => {
    const { name } = loaded.data.data;
    const done = await confirm({
      title: `Delete ${name}?`,
      text: "Its knowledge, conversations and settings are deleted for good, and the widget stops on your site.",
      action: "Delete the chatbot",
      danger: true,
      typed: name,
      do: () => remove(`chatbots/${bot.id}`),
    });
    if (!done) return;
    leaving.ask = null;
    dropChatbot(bot.id);
    toast(`${name} is being deleted.`);
    go("chatbots");
  };
  return html`
    <div class="stack loose narrow">
      <${Card} title="Budget"><${TextField} label="Tokens a day" inputmode="numeric" placeholder="No limit" value=${bot.limits.dailyTokens ?? ""} set=${(/** @type {string} */ v) => change("limits.dailyTokens", whole(v))} wrong=${wrong("limits.dailyTokens")} hint="Of the language model. When they are used up it answers with the best passages instead of written answers." /><//>
      <${Card} title="Retention"><${TextField} label="Days conversations are kept" inputmode="numeric" placeholder="For ever" value=${bot.retentionDays ?? ""} set=${(/** @type {string} */ v) => change("retentionDays", whole(v))} wrong=${wrong("retentionDays")} hint="From 1 to 3,650, after the last message. Then they are deleted." /><//>
      <${Card} title="Delete"><div class="row wrap between"><p class="quiet grow">The chatbot with all its knowledge and conversations.</p><${Button} kind="danger" icon="trash" act=${erase}>Delete this chatbot<//></div><//>
    </div>`;
}
