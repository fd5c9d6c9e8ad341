// Which of all there is to show: the login, the frame with a screen, or that the server is away.
import { readChatbots, readUsers, enter, expired, me } from "../core/store.js";
import { html, signal, useEffect } from "../core/ui.js";
import { Confirm } from "../parts/dialog.js";
import { Problem } from "../parts/states.js";
import { Toasts } from "../parts/toast.js";
import { Again, Login } from "../login/screen.js";
import { Frame } from "./frame.js";

/** What kept the dashboard from starting. */
export const failed = signal(/** @type {any} */ (null));

async function again() {
  failed.value = null;
  try {
    await enter();
    if (me.value) await begin();
  } catch (error) {
    failed.value = error;
  }
}

async function begin() {
  await Promise.all([readChatbots(), readUsers()]);
}

export function App() {
  const who = me.value?.user.id;
  useEffect(() => {
    if (who) begin().catch((error) => (failed.value = error));
  }, [who]);
  return html`${inside()}<${Confirm} /><${Toasts} />`;
}

function inside() {
  if (failed.value) return html`<main class="alone"><div class="panel stack"><h1>Chattery is away</h1><${Problem} error=${failed.value} retry=${again} /></div></main>`;
  if (me.value === undefined) return null;
  return me.value === null ? html`<${Login} />` : html`<${Frame} />${expired.value && html`<${Again} />`}`;
}
