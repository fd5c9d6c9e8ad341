import { href, match, place } from "../core/router.js";
import { chatbot, chatbots, chosen, logOut, may, me, theme, waiting } from "../core/store.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Icon } from "../parts/icon.js";
import { Menu } from "../parts/menu.js";
import { Avatar } from "../parts/states.js";
import { toast } from "../parts/toast.js";

const PHONE = matchMedia("(max-width: 860px)");
export const ICON = new URL("../icon.svg", import.meta.url).href;

/** @param {{open: boolean, close: () => void}} of */
export function Side({ open, close }) {
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  const phone = usePhone();
  useEffect(() => {
    if (!phone || !open) return;
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    /** @type {HTMLElement | null | undefined} */ (root.current?.querySelector("a, button"))?.focus();
    return () => before?.focus();
  }, [open, phone]);
  const keys = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && close();
  return html`
    <aside class=${`side ${open ? "open" : ""}`} ref=${root} inert=${phone && !open} onKeyDown=${open ? keys : undefined}>
      <a class="brand" href="/dashboard"><img src=${ICON} alt="" /><span class="cut">${me.value.accountName || "Chattery"}</span></a>
      <nav aria-label="Main">
        ${may("conversations") && html`
          <${Entry} path="inbox" icon="inbox" count=${waiting.value}>Inbox<//>
          <${Entry} path="overview" icon="chart">Overview<//>
          <${Entry} path="unanswered" icon="question">Unanswered<//>`}
        ${may("admin") && html`<${Bot} />
          <div class="group">Account</div>
          <${Entry} path="settings" icon="gear">Settings<//>`}
      </nav>
      <div class="foot"><${Me} /></div>
    </aside>`;
}

function usePhone() {
  const [phone, set] = useState(PHONE.matches);
  useEffect(() => {
    const change = () => set(PHONE.matches);
    PHONE.addEventListener("change", change);
    return () => PHONE.removeEventListener("change", change);
  }, []);
  return phone;
}

/** @param {{path: string, icon: any, count?: number, on?: boolean, children?: any}} of */
function Entry({ path, icon, count = 0, on, children }) {
  const here = on ?? (place.value.path === path || place.value.path.startsWith(`${path}/`));
  return html`<a class="nav" href=${href(path)} aria-current=${here ? "page" : undefined}>
    <${Icon} name=${icon} /><span>${children}</span>
    ${count > 0 && html`<span class="count">${count > 99 ? "99+" : count}<span class="hush"> waiting</span></span>`}</a>`;
}

/** The chosen chatbot and what there is to set of it. */
function Bot() {
  const all = chatbots.value ?? [];
  const bot = chatbot(chosen.value) ?? all[0];
  const choose = (/** @type {string} */ id) => {
    const values = match("chatbots/:chatbot/:tab?/:more?", place.value.path);
    const tab = values?.tab ?? "knowledge";
    return href(`chatbots/${id}/${tab}`);
  };
  const items = [
    ...all.map((one) => ({ label: one.name, href: choose(one.id), on: one.id === bot?.id })),
    { label: "All chatbots", icon: "bot", href: href("chatbots") },
    { label: "New chatbot", icon: "plus", href: href("start") },
  ];
  return html`
    <div class="group">Chatbot</div>
    ${bot ? html`
      <${Switch} items=${items} bot=${bot} />
      <${Entry} path=${`chatbots/${bot.id}/knowledge`} icon="book">Knowledge<//>
      <${Entry} path=${`chatbots/${bot.id}`} icon="sliders" on=${place.value.path.startsWith(`chatbots/${bot.id}`) && !/\/(knowledge|install)/.test(place.value.path)}>Customize<//>
      <${Entry} path=${`chatbots/${bot.id}/install`} icon="code">Install<//>`
    : html`<${Entry} path="start" icon="plus">New chatbot<//>`}`;
}

/** @param {{items: any[], bot: any}} of */
const Switch = ({ items, bot }) => html`
  <${Menu} items=${items} style="who" button=${html`<${Avatar} name=${bot.name} square /><span class="grow cut strong">${bot.name}</span>
    <span class="hush">: choose a chatbot</span><${Icon} name="down" />`} />`;

const THEMES = /** @type {[string, string][]} */ ([["auto", "Like the system"], ["light", "Light"], ["dark", "Dark"]]);

function Me() {
  const { user } = me.value;
  const out = async () => logOut().catch((error) => toast(error.message, { bad: true }));
  const items = [
    { label: "Your profile", icon: "user", href: href("settings/profile") },
    { label: "API reference", icon: "book", href: "/docs" },
    ...THEMES.map(([value, label]) => ({ label, icon: "sun", on: theme.value === value, act: () => (theme.value = value) })),
    { label: "Log out", icon: "logout", act: out },
  ];
  return html`<${Menu} up items=${items} style="who" button=${html`<${Avatar} name=${user.name || user.email} />
    <span class="grow"><span class="cut small strong" style=${{ display: "block" }}>${user.name || user.email}</span>
    <span class="cut tiny quiet" style=${{ display: "block" }}>${user.role[0].toUpperCase() + user.role.slice(1)}</span></span><${Icon} name="more" />`} />`;
}
