// Who are you: logging in, a forgotten password, and the links of mails (their token is in the hash).
import { post } from "../core/api.js";
import { expired, me } from "../core/store.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";
import { Button } from "../parts/button.js";
import { TextField } from "../parts/field.js";
import { Note, Problem } from "../parts/states.js";
import { ICON } from "../frame/side.js";

/** @returns {[string, string]} what a mail's link is for, and its token */
function link() {
  const [, what = "", token = ""] = /^#\/(reset|invitation)\?token=(.+)$/.exec(location.hash) ?? [];
  return [what, decodeURIComponent(token)];
}

/** The session ended in the middle of something, which is still there when one is back. */
export function Again() {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const show = () => /** @type {HTMLDialogElement | null} */ (element.current)?.showModal();
  useEffect(show, []);
  return html`<dialog class="again" ref=${element} aria-label="Log in" onCancel=${(/** @type {Event} */ e) => e.preventDefault()} onClose=${show}>
    <div class="alone"><${Panel} /></div></dialog>`;
}

export const Login = () => html`<main class="alone"><${Panel} /></main>`;

function Panel() {
  const [[what, token], follow] = useState(link);
  const [view, show] = useState(what || "login");
  const done = (/** @type {any} */ found) => {
    history.replaceState(null, "", location.pathname + location.search);
    if (me.value && me.value.user.id !== found.user.id) return location.reload(); // nothing here is theirs
    expired.value = false;
    me.value = found;
  };
  const leave = () => {
    history.replaceState(null, "", location.pathname + location.search);
    follow(["", ""]);
    show("login");
  };
  useEffect(() => {
    const before = document.title;
    document.title = "Log in · Chattery";
    return () => void (document.title = before);
  }, []);
  return html`<div class="panel"><img src=${ICON} alt="" />
    ${view === "login" && html`<${Enter} done=${done} forgot=${() => show("forgot")} />`}
    ${view === "forgot" && html`<${Forgot} back=${leave} />`}
    ${view === "reset" && html`<${SetPassword} title="Choose a new password" path="auth/reset/confirm" token=${token} done=${done} back=${leave} />`}
    ${view === "invitation" && html`<${SetPassword} title="Welcome to Chattery" path="auth/invitation" token=${token} named done=${done} back=${leave} />`}
  </div>`;
}

/** A form's state: busy, what went wrong, and how to send it. @param {() => Promise<any>} send */
function useForm(send) {
  const [state, set] = useState(/** @type {{busy?: boolean, error?: any}} */ ({}));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    set({ busy: true });
    try {
      await send();
      set({});
    } catch (error) {
      set({ error });
    }
  };
  return { ...state, submit };
}

/** @param {{done: (me: any) => void, forgot: () => void}} of */
function Enter({ done, forgot }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const { busy, error, submit } = useForm(async () => done(await post("auth/login", { email, password })));
  return html`
    <h1>Log in</h1>
    <p class="quiet">to your support inbox and chatbots</p>
    <form class="stack" onSubmit=${submit}>
      ${expired.value && !error && html`<${Note} icon="clock">Your session has ended. Log in to go on where you were.<//>`}
      ${error && html`<${Problem} error=${error} />`}
      <${TextField} label="Email" type="email" autocomplete="username" required autofocus value=${email} set=${setEmail} />
      <${TextField} label="Password" type="password" autocomplete="current-password" required value=${password} set=${setPassword} />
      <${Button} kind="main wide" type="submit" busy=${busy}>Log in<//>
      <${Button} kind="bare wide" act=${forgot}>Forgot your password?<//>
    </form>`;
}

/** @param {{back: () => void}} of */
function Forgot({ back }) {
  const [email, setEmail] = useState("");
  const [sent, tell] = useState(false);
  const { busy, error, submit } = useForm(async () => {
    await post("auth/reset", { email });
    tell(true);
  });
  return html`
    <h1>Forgot your password?</h1>
    <p class="quiet">We send a link to set a new one, where mail is set up on this server. If not, an owner can invite you again.</p>
    <form class="stack" onSubmit=${submit}>
      ${error && html`<${Problem} error=${error} />`}
      ${sent ? html`<div role="status"><${Note} icon="check">If this address belongs to someone here, a link is on its way. It works for one hour.<//></div>`
      : html`<${TextField} label="Email" type="email" autocomplete="username" required autofocus value=${email} set=${setEmail} />
        <${Button} kind="main wide" type="submit" busy=${busy}>Send the link<//>`}
      <${Button} kind="bare wide" act=${back}>Back to login<//>
    </form>`;
}

/** @param {{title: string, path: string, token: string, named?: boolean, done: (me: any) => void, back: () => void}} of */
function SetPassword({ title, path, token, named = false, done, back }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const { busy, error, submit } = useForm(async () => done(await post(path, { token, password, ...(named && name ? { name } : {}) })));
  return html`
    <h1>${title}</h1>
    <p class="quiet">${named ? "Say who you are and choose a password." : "You are logged in with it at once; other sessions end."}</p>
    <form class="stack" onSubmit=${submit}>
      ${error && html`<${Problem} error=${error} />`}
      ${named && html`<${TextField} label="Your name" autocomplete="name" value=${name} set=${setName} hint="Visitors see it beside your replies." />`}
      <${TextField} label="New password" type="password" autocomplete="new-password" required minlength="10" value=${password} set=${setPassword} />
      <${Button} kind="main wide" type="submit" busy=${busy}>Set the password<//>
      <${Button} kind="bare wide" act=${back}>Back to login<//>
    </form>`;
}
