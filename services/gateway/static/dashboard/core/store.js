// What all screens know: who is here, the account's chatbots, the looks.
import { all, call, get, session } from "./api.js";
import { computed, effect, signal } from "./ui.js";

/** Who is logged in: undefined until asked, null for nobody. */
export const me = signal(/** @type {any} */ (undefined));
/** The account's chatbots; undefined until read. */
export const chatbots = signal(/** @type {any[] | undefined} */ (undefined));
export const users = signal(/** @type {any[]} */ ([]));
/** How many conversations wait for a person. */
export const waiting = signal(0);

/** Whether the session ended while one worked: what is on the screen stays, behind a login. */
export const expired = signal(false);
session.over = () => {
  if (me.value) expired.value = true;
  else me.value = null;
};

/** @param {string} scope */
export const may = (scope) => !scope || !!me.value?.scopes.some((/** @type {string} */ s) => s === scope || s === "admin");

/** Whether the first steps are not done yet. */
export const isNew = computed(() => chatbots.value?.length === 0);

/** @param {string} id */
export const chatbot = (id) => chatbots.value?.find((one) => one.id === id);
/** @param {string | null | undefined} id */
export const person = (id) => users.value.find((one) => one.id === id);

export async function enter() {
  me.value = (await get("auth/session")).me;
}

export async function readChatbots() {
  chatbots.value = await all("chatbots");
}

/** Names of colleagues, where one may know them. */
export async function readUsers() {
  users.value = may("admin") ? await all("users") : [me.value.user];
}

/** @param {any} changed */
export function putChatbot(changed) {
  const others = chatbots.value ?? [];
  const known = others.some((one) => one.id === changed.id);
  chatbots.value = known ? others.map((one) => (one.id === changed.id ? changed : one)) : [changed, ...others];
}

/** @param {string} id */
export function dropChatbot(id) {
  chatbots.value = chatbots.value?.filter((one) => one.id !== id);
}

export async function logOut() {
  await call("POST", "auth/logout");
  chatbots.value = undefined;
  me.value = null;
}

// -- what this browser remembers --------------------------------------------------------------

/** @template T @param {string} name @param {T} initial */
export function kept(name, initial) {
  const key = `chattery-dashboard:${name}`;
  let first = initial;
  try {
    first = JSON.parse(localStorage.getItem(key) ?? "null") ?? initial;
  } catch {} // no storage: as long as the page
  const value = signal(first);
  effect(() => {
    try {
      localStorage.setItem(key, JSON.stringify(value.value));
    } catch {}
  });
  return value;
}

/** The chatbot chosen last. */
export const chosen = kept("chatbot", "");
/** "auto", "light" or "dark". */
export const theme = kept("theme", "auto");
effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
