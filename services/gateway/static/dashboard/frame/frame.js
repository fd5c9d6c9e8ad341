// Navigation and the screen of the address.
import { follow } from "../core/live.js";
import { go, match, place } from "../core/router.js";
import { chatbots, chosen, may, me } from "../core/store.js";
import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Empty, Problem } from "../parts/states.js";
import { Side } from "./side.js";
import { SCREENS } from "./screens.js";

export const menu = signal(false);

export function Frame() {
  const { path } = place.value;
  const found = find(path);
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const before = useRef(path);
  useEffect(() => (may("conversations") ? follow() : undefined), [me.value.user.id]);
  useEffect(() => {
    if (path === "") home();
  }, [path, chatbots.value === undefined]);
  useEffect(() => {
    if (found?.values.chatbot) chosen.value = found.values.chatbot;
  }, [found?.values.chatbot]);
  useLayoutEffect(() => {
    if (before.current !== path && found?.row !== find(before.current)?.row) main.current?.focus({ preventScroll: true });
    before.current = path;
    menu.value = false;
    document.title = `${found?.row.title ?? "Not found"} · Chattery`;
  }, [path]);
  return html`
    <div class="app">
      <a class="skip" href="#main" onClick=${(/** @type {Event} */ e) => (e.preventDefault(), main.current?.focus())}>Skip to content</a>
      <header class="top">
        <${Button} kind="bare" icon="menu" label="Menu" act=${() => (menu.value = true)} aria-expanded=${String(menu.value)} />
        <span class="name cut">${found?.row.title ?? "Chattery"}</span>
      </header>
      <${Side} open=${menu.value} close=${() => (menu.value = false)} />
      ${menu.value && html`<button class="veil" type="button" aria-label="Close the menu" tabindex="-1" onClick=${() => (menu.value = false)} />`}
      <main id="main" tabindex="-1" ref=${main}>${path !== "" && html`<${Shown} found=${found} />`}</main>
    </div>`;
}

/** Where one begins. */
function home() {
  if (chatbots.value === undefined) return;
  if (!may("admin")) go("inbox", { replace: true });
  else go(chatbots.value.length ? "overview" : "start", { replace: true });
}

/** @param {string} path */
function find(path) {
  for (const row of SCREENS) {
    const values = match(row.path, path);
    if (values) return { row, values };
  }
  return null;
}

/** @param {{found: {row: import("./screens.js").Row, values: Record<string, string>} | null}} of */
function Shown({ found }) {
  const [screen, set] = useState(/** @type {{row?: any, Screen?: any, error?: any}} */ ({}));
  const [round, again] = useState(0);
  useEffect(() => {
    if (!found) return;
    let gone = false;
    found.row.load().then(
      (module) => gone || set({ row: found.row, Screen: module.default }),
      () => gone || set({ row: found.row, error: { message: "This screen could not be loaded. Check your connection." } }),
    );
    return () => void (gone = true);
  }, [found?.row, round]);
  if (!found) {
    return html`<${Empty} whole icon="search" title="There is nothing here" text="The address may be mistyped, or what it named is gone.">
      <${Button} href="/dashboard">Go to the dashboard<//><//>`;
  }
  if (!may(found.row.needs ?? "")) {
    return html`<${Empty} whole icon="lock" title="Not for your role" text="Ask an owner or an admin of this account to give you another role.">
      <${Button} href="/dashboard/inbox">Go to the inbox<//><//>`;
  }
  if (screen.row !== found.row) return null;
  if (screen.error) return html`<div class="page"><${Problem} error=${screen.error} retry=${() => again(round + 1)} /></div>`;
  return html`<${screen.Screen} ...${found.values} query=${place.value.query} />`;
}
