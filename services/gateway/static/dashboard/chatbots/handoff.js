import { html } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Select, TextArea, Toggle } from "../parts/field.js";
import { Card } from "../parts/page.js";

const DAYS = [1, 2, 3, 4, 5, 6, 7].map((day) => new Intl.DateTimeFormat(navigator.language, { weekday: "long", timeZone: "UTC" }).format(new Date(Date.UTC(2024, 0, day))));
const ZONES = [...new Set(["UTC", ...Intl.supportedValuesOf("timeZone")])];
const WEEK = [1, 2, 3, 4, 5].map((day) => ({ day, open: "09:00", close: "17:00" }));

/** @param {{draft: any, bot: any}} of */
export function Handoff({ draft: { change, wrong }, bot }) {
  const { handoff } = bot;
  const hours = handoff.businessHours;
  const set = (/** @type {any[]} */ value) => change("handoff.businessHours", value);
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zones = [...new Set([handoff.timezone, here, ...ZONES])].filter(Boolean);
  return html`
    <div class="stack loose narrow">
      <${Card} title="Talking to a person"><${Toggle} label="Visitors may ask for a person" hint="Their conversation then waits in the inbox, and the bot is silent until you hand it back." value=${handoff.enabled} set=${(/** @type {boolean} */ v) => change("handoff.enabled", v)} /><//>
      <${Card} title="Hours" text="Outside of them visitors are told when you are back."><div class="stack">
        <${Toggle} label="We are there at certain hours" value=${hours.length > 0} set=${(/** @type {boolean} */ v) => set(v ? WEEK : [])} />
        ${hours.length > 0 && html`
          <${Select} label="Time zone" value=${handoff.timezone} set=${(/** @type {string} */ v) => change("handoff.timezone", v)} options=${zones.map((zone) => [zone, zone.replaceAll("_", " ")])} wrong=${wrong("handoff.timezone")} />
          <div class="week">${DAYS.map((name, i) => html`<${Day} key=${i} name=${name} day=${i + 1} hours=${hours} set=${set} />`)}</div>
          ${wrong("handoff.businessHours") && html`<p class="bad small" role="alert">${wrong("handoff.businessHours")}</p>`}`}
        <${TextArea} label="When nobody is there" maxlength="500" placeholder="We are back on weekdays from 9 to 5 and answer by then." value=${handoff.outOfHoursMessage} set=${(/** @type {string} */ v) => change("handoff.outOfHoursMessage", v)} wrong=${wrong("handoff.outOfHoursMessage")} hint="Empty: a notice in the visitor's language." />
      </div><//>
    </div>`;
}

/** @param {{name: string, day: number, hours: any[], set: (hours: any[]) => void}} of */
function Day({ name, day, hours, set }) {
  const own = hours.filter((one) => one.day === day);
  const put = (/** @type {any} */ before, /** @type {any} */ after) => set(hours.map((one) => (one === before ? after : one)));
  const add = () => set([...hours, { day, open: own.length ? own[own.length - 1].close : "09:00", close: own.length ? "24:00" : "17:00" }].sort((a, b) => a.day - b.day));
  return html`
    <div class="weekday" role="group" aria-label=${name}>
      <span class="strong">${name}</span>
      <div class="stack tight grow">
        ${own.length === 0 && html`<span class="quiet closed">Closed</span>`}
        ${own.map((one) => html`<div class="row">
          <input class="input small" type="time" required aria-label="From" value=${one.open} onChange=${(/** @type {any} */ e) => e.target.value && put(one, { ...one, open: e.target.value })} />
          <span class="quiet">to</span>
          <input class="input small" type="time" required aria-label="Until" value=${one.close === "24:00" ? "00:00" : one.close} onChange=${(/** @type {any} */ e) => e.target.value && put(one, { ...one, close: e.target.value === "00:00" ? "24:00" : e.target.value })} />
          <${Button} kind="bare small" icon="close" label=${`Remove these hours of ${name}`} act=${() => set(hours.filter((other) => other !== one))} /></div>`)}
      </div>
      <${Button} kind="bare small" icon="plus" label=${`Add hours to ${name}`} act=${add} />
    </div>`;
}
