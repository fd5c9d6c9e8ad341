import { post } from "../core/api.js";
import { html, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { Select, TextField, wrongIn } from "../parts/field.js";
import { LANGUAGES } from "../core/languages.js";
import { Problem } from "../parts/states.js";
import { toast } from "../parts/toast.js";

/** What people type as an address, made one. @param {string} text */
export function complete(text) {
  const trimmed = text.trim();
  return !trimmed || /^https?:\/\//i.test(trimmed) ? trimmed : `https://${trimmed}`;
}

/** @param {{made: (chatbot: any) => void}} of */
export function NewChatbot({ made }) {
  const [form, set] = useState({ name: "", website: "", language: "en" });
  const [state, tell] = useState(/** @type {{busy?: boolean, error?: any}} */ ({}));
  const change = (/** @type {string} */ name) => (/** @type {string} */ value) => set((now) => ({ ...now, [name]: value }));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    tell({ busy: true });
    try {
      const created = await post("chatbots", { name: form.name.trim(), website: complete(form.website) || null, language: form.language });
      toast(`${created.name} is made.`);
      made(created);
    } catch (error) {
      tell({ error });
    }
  };
  const { busy, error } = state;
  return html`
    <form class="stack" onSubmit=${submit}>
      ${error && !["name", "website", "language"].includes(error.details?.field) && html`<${Problem} error=${error} />`}
      <${TextField} label="Name" required maxlength="200" placeholder="Acme help" value=${form.name} set=${change("name")} wrong=${wrongIn(error, "name")} hint="Your visitors see it." />
      <${TextField} label="Your site" inputmode="url" dir="ltr" placeholder="https://www.example.com" value=${form.website} set=${change("website")} wrong=${wrongIn(error, "website")} />
      <${Select} label="Language" value=${form.language} set=${change("language")} options=${LANGUAGES} hint="It answers in the language it is asked in; this one is for greetings." />
      <div><${Button} kind="main" type="submit" busy=${busy}>Make the chatbot<//></div>
    </form>`;
}
