// The reference's moving parts: finding a route, copying, and trying one from the page itself.

/** @typedef {{method: string, path: string, parameters: {name: string, in: string, required: boolean}[], body: any, multipart: boolean}} Operation */

const KEY = "chattery:reference-key";
const LONGEST = 200_000; // characters of an answer that are shown

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, any>} [properties] @param {...(Node | string)} children
 */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

for (const place of document.querySelectorAll("[data-origin]")) place.textContent = location.origin;

for (const figure of document.querySelectorAll("figure.code")) {
  const copy = make("button", { type: "button", className: "copy", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    const code = /** @type {HTMLElement} */ (figure.querySelector("code"));
    try {
      await navigator.clipboard.writeText(code.textContent ?? "");
      copy.textContent = "Copied";
    } catch { // not allowed, or not there without https
      getSelection()?.selectAllChildren(code);
      copy.textContent = "Press Ctrl+C";
    }
    setTimeout(() => (copy.textContent = "Copy"), 2_000);
  });
  figure.querySelector("figcaption")?.append(copy);
}

// -- finding ---------------------------------------------------------------------------------

const filter = /** @type {HTMLInputElement} */ (document.querySelector("#filter"));
const links = [.../** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(".contents li a"))];
filter.hidden = false;
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/);
  for (const link of links) {
    const text = `${link.textContent} ${link.hash}`.toLowerCase();
    /** @type {HTMLElement} */ (link.parentElement).hidden = !words.every((word) => text.includes(word));
  }
  for (const list of document.querySelectorAll(".contents ul")) {
    const empty = !list.querySelector("li:not([hidden])");
    for (const part of [list, list.previousElementSibling]) /** @type {HTMLElement} */ (part).hidden = empty;
  }
});

const byId = new Map(links.map((link) => [link.hash.slice(1), link]));
const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      for (const link of links) link.removeAttribute("aria-current");
      byId.get(target.id)?.setAttribute("aria-current", "true");
    }
  },
  { rootMargin: "-20% 0px -75% 0px" },
);
for (const article of document.querySelectorAll("article")) seen.observe(article);

// -- trying ----------------------------------------------------------------------------------

const credentials = /** @type {HTMLFormElement} */ (document.querySelector("#credentials"));
const key = /** @type {HTMLInputElement} */ (document.querySelector("#key"));
credentials.hidden = false;
credentials.addEventListener("submit", (event) => event.preventDefault());
key.value = sessionStorage.getItem(KEY) ?? "";
key.addEventListener("input", () => sessionStorage.setItem(KEY, key.value.trim()));

for (const place of /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll(".try"))) {
  place.hidden = false;
  place.addEventListener("toggle", () => place.querySelector("form") ?? place.append(form(JSON.parse(place.dataset.try ?? ""))), { once: true });
}

/** @param {Operation} operation */
function form(operation) {
  /** @type {Map<string, HTMLInputElement | HTMLTextAreaElement>} */
  const inputs = new Map();
  const send = make("button", { className: "button", textContent: "Send" });
  const stop = make("button", { className: "button quiet", type: "button", textContent: "Stop", hidden: true });
  const result = make("div", { className: "result", hidden: true });
  result.setAttribute("aria-live", "polite");
  const made = make("form", {}, ...fields(operation, inputs), make("div", { className: "row" }, send, stop), result);
  let sure = operation.method !== "DELETE";
  /** @type {AbortController} */
  let running;
  stop.addEventListener("click", () => running.abort());
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!sure) {
      sure = true;
      send.textContent = "Really delete it";
      send.classList.add("sure");
      return;
    }
    running = new AbortController();
    send.disabled = true;
    stop.hidden = false;
    await run(operation, inputs, result, running.signal);
    send.disabled = false;
    stop.hidden = true;
  });
  return made;
}

/** @param {Operation} operation @param {Map<string, HTMLInputElement | HTMLTextAreaElement>} inputs */
function fields(operation, inputs) {
  const labelled = (/** @type {string} */ name, /** @type {string} */ text, /** @type {HTMLInputElement | HTMLTextAreaElement} */ input) => {
    inputs.set(name, input);
    return make("div", {}, make("label", {}, text, input));
  };
  const found = operation.parameters.map(({ name, in: where, required }) =>
    labelled(`${where}:${name}`, required ? name : `${name} (optional)`, make("input", { required, spellcheck: false, autocomplete: "off" })),
  );
  if (operation.multipart) {
    found.push(labelled("form:chatbotId", "chatbotId", make("input", { required: true })));
    found.push(labelled("form:file", "file", make("input", { type: "file", multiple: true, required: true })));
  }
  if (operation.body !== null) {
    found.push(labelled("body", "Body", make("textarea", { value: JSON.stringify(operation.body, null, 2), spellcheck: false })));
  }
  return found;
}

/** @param {Operation} operation @param {Map<string, HTMLInputElement | HTMLTextAreaElement>} inputs @returns {{url: string, init: RequestInit}} */
function request(operation, inputs) {
  let path = operation.path;
  const query = new URLSearchParams();
  const headers = new Headers();
  for (const { name, in: where } of operation.parameters) {
    const value = inputs.get(`${where}:${name}`)?.value.trim() ?? "";
    if (where === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && where === "query") query.set(name, value);
    else if (value) headers.set(name, value);
  }
  if (key.value.trim()) headers.set("Authorization", `Bearer ${key.value.trim()}`);
  /** @type {BodyInit | undefined} */
  let body;
  if (operation.multipart) {
    body = new FormData();
    body.set("chatbotId", inputs.get("form:chatbotId")?.value.trim() ?? "");
    for (const file of /** @type {HTMLInputElement} */ (inputs.get("form:file")).files ?? []) body.append("file", file);
  } else if (operation.body !== null) {
    body = inputs.get("body")?.value ?? "";
    headers.set("Content-Type", "application/json");
  }
  const asked = query.toString();
  return { url: path + (asked && `?${asked}`), init: { method: operation.method, headers, body } };
}

/** @param {Operation} operation @param {Map<string, HTMLInputElement | HTMLTextAreaElement>} inputs @param {HTMLElement} result @param {AbortSignal} signal */
async function run(operation, inputs, result, signal) {
  const line = make("p", { textContent: "Sending…" });
  const shown = make("pre", { tabIndex: 0 });
  result.replaceChildren(line, shown);
  result.hidden = false;
  const started = performance.now();
  try {
    const { url, init } = request(operation, inputs);
    const response = await fetch(url, { ...init, signal });
    const told = () => {
      const id = response.headers.get("x-request-id");
      line.textContent = `${response.status} ${response.statusText} · ${Math.round(performance.now() - started)} ms · ${id}`;
    };
    told();
    await read(response, shown);
    told();
  } catch (error) {
    if (!signal.aborted) line.textContent = `No answer: ${/** @type {Error} */ (error).message}`;
  }
}

/** Show a body as it comes, JSON in lines. @param {Response} response @param {HTMLElement} shown */
async function read(response, shown) {
  let text = "";
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    text = (text + part.value).slice(0, LONGEST);
    shown.textContent = text;
  }
  if (!response.headers.get("Content-Type")?.includes("json")) return;
  try {
    shown.textContent = JSON.stringify(JSON.parse(text), null, 2);
  } catch {} // it was cut
}
