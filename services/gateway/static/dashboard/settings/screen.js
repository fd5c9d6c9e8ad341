// Settings: of oneself, and of the account.
import { href } from "../core/router.js";
import { may } from "../core/store.js";
import { html } from "../core/ui.js";
import { Page, Tabs } from "../parts/page.js";
import { Account } from "./account.js";
import { Audit } from "./audit.js";
import { Keys } from "./keys.js";
import { Profile } from "./profile.js";
import { Team } from "./team.js";
import { Usage } from "./usage.js";
import { Webhook } from "./webhook.js";
import { Webhooks } from "./webhooks.js";

/** @type {{key: string, label: string, screen: any, needs?: string}[]} */
const TABS = [
  { key: "profile", label: "You", screen: Profile },
  { key: "team", label: "Team", screen: Team, needs: "admin" },
  { key: "keys", label: "API keys", screen: Keys, needs: "admin" },
  { key: "webhooks", label: "Webhooks", screen: Webhooks, needs: "webhooks" },
  { key: "usage", label: "Plan and usage", screen: Usage, needs: "admin" },
  { key: "audit", label: "Audit log", screen: Audit, needs: "admin" },
  { key: "account", label: "Account", screen: Account, needs: "admin" },
];

/** @param {{tab?: string, item?: string, query: Record<string, string>}} of */
export default function Settings({ tab, item, query }) {
  const tabs = TABS.filter(({ needs = "" }) => may(needs));
  const shown = tabs.find(({ key }) => key === tab) ?? tabs[0];
  if (shown.key === "webhooks" && item) return html`<${Webhook} id=${item} query=${query} key=${item} />`;
  const links = tabs.map(({ key, label }) => ({ href: href(`settings/${key}`), label, on: key === shown.key }));
  return html`<${Page} title="Settings" tabs=${html`<${Tabs} label="Settings" tabs=${links} />`}><${shown.screen} query=${query} /><//>`;
}
