import { shortcuts } from "../core/keys.js";
import { html } from "../core/ui.js";
import { Dialog } from "../parts/dialog.js";
import { Toggle } from "../parts/field.js";

const KEYS = /** @type {[string, string][]} */ ([
  ["j", "Next conversation"], ["k", "Previous conversation"], ["r", "Write a reply"], ["n", "Write a note"],
  ["a", "Assign to me"], ["e", "Resolve"], ["b", "Give back to the bot"], ["t", "Add a tag"],
  ["/", "Search"], ["Esc", "Close the conversation"], ["?", "This list"],
]);

/** @param {{close: () => void}} of */
export const Shortcuts = ({ close }) => html`
  <${Dialog} title="Keyboard shortcuts" close=${close}>
    <div class="stack loose">
      <dl class="keys">${KEYS.map(([key, what]) => html`<div class="row between"><dt>${what}</dt><dd><kbd>${key}</kbd></dd></div>`)}
        <div class="row between"><dt>Send (a new line with Shift)</dt><dd><kbd>Enter</kbd></dd></div></dl>
      <${Toggle} label="Use shortcuts of one letter" value=${shortcuts.value} set=${(/** @type {boolean} */ on) => (shortcuts.value = on)} />
    </div>
  <//>`;
