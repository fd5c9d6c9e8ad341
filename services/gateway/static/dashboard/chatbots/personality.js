import { LANGUAGES } from "../core/languages.js";
import { html } from "../core/ui.js";
import { Select, TextArea, TextField } from "../parts/field.js";
import { Card } from "../parts/page.js";
import { Lines } from "./lines.js";

const TONES = [["friendly", "Friendly"], ["professional", "Professional"], ["casual", "Casual"], ["formal", "Formal"], ["playful", "Playful"]];
const LENGTHS = [["short", "Short: a sentence or two"], ["medium", "Medium"], ["long", "Long: with details"]];

/** @param {{draft: any, bot: any}} of */
export function Personality({ draft: { change, wrong }, bot }) {
  const { personality } = bot;
  const languages = LANGUAGES.some(([code]) => code === bot.language) ? LANGUAGES : [...LANGUAGES, [bot.language, bot.language]];
  return html`
    <div class="stack loose narrow">
      <${Card} title="Who it is"><div class="stack">
        <${TextField} label="Name" maxlength="200" value=${bot.name} set=${(/** @type {string} */ v) => change("name", v)} wrong=${wrong("name")} />
        <${TextField} label="Your site" dir="ltr" inputmode="url" value=${bot.website ?? ""} set=${(/** @type {string} */ v) => change("website", v || null)} wrong=${wrong("website")} />
        <${Select} label="Language" value=${bot.language} set=${(/** @type {string} */ v) => change("language", v)} options=${languages} hint="Of its own texts. Questions are answered in the language they are asked in." />
      </div><//>
      <${Card} title="How it speaks"><div class="stack">
        <div class="two"><${Select} label="Tone" value=${personality.tone} set=${(/** @type {string} */ v) => change("personality.tone", v)} options=${TONES} />
          <${Select} label="Answers" value=${personality.answerLength} set=${(/** @type {string} */ v) => change("personality.answerLength", v)} options=${LENGTHS} /></div>
        <${TextArea} label="Greeting" maxlength="500" placeholder="Hi! How can I help you?" value=${personality.greeting} set=${(/** @type {string} */ v) => change("personality.greeting", v)} wrong=${wrong("personality.greeting")} hint="The first thing visitors read. Empty: a greeting in their language." />
        <${TextArea} label="Instructions" maxlength="8000" rows="5" value=${personality.instructions} set=${(/** @type {string} */ v) => change("personality.instructions", v)} wrong=${wrong("personality.instructions")} hint="What it should know about you and how it should act, in your own words. Followed when a language model is connected." />
        <${Lines} label="Topics it stays away from" placeholder="Legal advice" most=${50} value=${personality.forbiddenTopics} set=${(/** @type {string[]} */ v) => change("personality.forbiddenTopics", v)} wrong=${wrong("personality.forbiddenTopics")} />
      </div><//>
    </div>`;
}
