import { readable } from "/assets/widget/{{version}}/colour.js";
import { html } from "../core/ui.js";
import { Select, TextField } from "../parts/field.js";
import { Card } from "../parts/page.js";
import { Note } from "../parts/states.js";
import { Lines } from "./lines.js";
import { Preview } from "./preview.js";

/** @param {{draft: any, bot: any}} of */
export function Appearance({ draft: { change, wrong }, bot }) {
  const { appearance } = bot;
  const set = (/** @type {string} */ field) => (/** @type {any} */ value) => change(`appearance.${field}`, value);
  const shown = readable(appearance.textColor, appearance.primaryColor);
  return html`
    <div class="looks">
      <div class="stack loose">
        <${Card} title="Colours"><div class="stack">
          <div class="two">
            <${Colour} label="Main colour" value=${appearance.primaryColor} set=${set("primaryColor")} />
            <${Colour} label="Text on it" value=${appearance.textColor} set=${set("textColor")} />
          </div>
          ${shown.toLowerCase() !== appearance.textColor.toLowerCase() && html`<${Note} icon="eye" kind="warn">This text would be hard to read on that colour (less than 4.5 to 1). The widget uses ${shown} instead.<//>`}
          <${Select} label="Light or dark" value=${appearance.theme} set=${set("theme")} options=${[["auto", "Like the visitor's system"], ["light", "Always light"], ["dark", "Always dark"]]} />
        </div><//>
        <${Card} title="On the page"><div class="stack">
          <${Select} label="Side" value=${appearance.position} set=${set("position")} options=${[["right", "Right"], ["left", "Left"]]} />
          <${TextField} label="Text on the button" maxlength="60" placeholder="Help" value=${appearance.launcherText} set=${set("launcherText")} wrong=${wrong("appearance.launcherText")} hint="Empty: the icon alone." />
          <${TextField} label="Logo" dir="ltr" inputmode="url" placeholder="https://www.example.com/logo.png" value=${appearance.logoUrl ?? ""} set=${(/** @type {string} */ v) => change("appearance.logoUrl", v || null)} wrong=${wrong("appearance.logoUrl")} hint="An https address of a square image." />
          <${Lines} label="Suggested questions" most=${8} placeholder="How long does delivery take?" value=${appearance.suggestedQuestions} set=${set("suggestedQuestions")} wrong=${wrong("appearance.suggestedQuestions")} hint="Offered when the widget opens." />
        </div><//>
      </div>
      <${Preview} bot=${bot} />
    </div>`;
}

/** @param {{label: string, value: string, set: (value: string) => void}} of */
const Colour = ({ label, value, set }) => html`
  <div class="row bottom"><${TextField} label=${label} type="color" value=${value} set=${set} />
    <div class="grow"><${TextField} hidden label=${`${label}, as hex`} dir="ltr" pattern="#[0-9a-fA-F]{6}" maxlength="7" value=${value} onChange=${(/** @type {any} */ e) => /^#[0-9a-f]{6}$/i.test(e.target.value) && set(e.target.value)} /></div></div>`;
