import { href } from "../core/router.js";
import { html } from "../core/ui.js";
import { Code } from "../parts/button.js";
import { Card } from "../parts/page.js";
import { Note } from "../parts/states.js";
import { embed } from "../start/screen.js";

/** @param {{bot: any}} of */
export function Install({ bot }) {
  const { id, widget } = bot;
  const module = `import { start } from "${location.origin}/widget.mjs";\n\nconst widget = await start({ chatbot: "${id}" });\nwidget.open();`;
  const curl = `curl ${location.origin}/api/chat/${id} \\\n  -H "Authorization: Bearer ck_live_…" -H "Content-Type: application/json" \\\n  -H "Accept: application/json" \\\n  -d '{"message": "How long does delivery take?"}'`;
  return html`
    <div class="stack loose narrow">
      ${!widget.enabled && html`<${Note} icon="alert" kind="warn">The widget is off. <a href=${href(`chatbots/${id}/access`)}>Turn it on</a> first.<//>`}
      <${Card} title="On any site" text="One line before the end of the page's body."><div class="stack"><${Code} text=${embed(id)} label="Copy line" />
        <p class="small quiet">It loads after your page, works under a strict content security policy (allow <code>${location.origin}</code> for scripts, connections and images), and adds <code>data-language</code> or <code>data-open</code> where you want them.</p>
        ${widget.allowedOrigins.length > 0 && html`<p class="small quiet">It shows up only on ${widget.allowedOrigins.join(", ")}.</p>`}</div><//>
      <${Card} title="From your own code"><${Code} text=${module} /><//>
      <${Card} title="Without the widget" text="Any program can ask, with a key that has the scope “chat”."><div class="stack"><${Code} text=${curl} /><p class="small"><a href="/docs">API reference</a> · <a href=${href("settings/keys")}>API keys</a></p></div><//>
    </div>`;
}
