// The gateway, as a visitor may use it: a session, its token, and calls with it.

/** A refusal, or a connection that failed (`status` 0). */
export class Refused extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {number} [retryAfter] seconds */
  constructor(status, code, message, retryAfter = 0) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** @typedef {{userId?: string, userHash?: string, jwt?: string}} Identity */
/** What is remembered between pages. @typedef {{token?: string, visitorId?: string, expiresAt?: string, chatbot?: any, conversation?: any, at?: number, left?: string, language?: string, seenAt?: string, sound?: boolean, open?: boolean, draft?: string, asked?: {body: any, at: number}}} Memory */

const RENEW_BEFORE = 120_000; // ms
const CALL_TIMEOUT = 20_000; // ms

/** Whether a call is worth trying again. @param {unknown} error */
export const passing = (error) =>
  error instanceof Refused && (error.status === 0 || error.status === 503 || error.status === 502 || error.status === 504);

/** Wait a while, give or take, and until there is a network. @param {number} ms */
export async function online(ms) {
  await new Promise((done) => setTimeout(done, ms * (0.5 + Math.random())));
  if (navigator.onLine) return;
  await new Promise((back) => addEventListener("online", back, { once: true }));
}

export class Api {
  /** @param {string} base @param {string} chatbot @param {string} language */
  constructor(base, chatbot, language) {
    this.base = base;
    this.chatbot = chatbot;
    this.language = language;
    this.key = `chattery:${chatbot}`;
    /** @type {Memory} */
    this.memory = {};
    /** @type {Identity} */
    this.identity = {};
    /** @type {Promise<Memory> | undefined} */
    this.opening = undefined;
    this.recall();
    if (this.memory.language !== language) delete this.memory.chatbot;
  }

  /** Take over what other tabs of this site have learnt. */
  recall() {
    try {
      const stored = JSON.parse(localStorage.getItem(this.key) ?? "{}");
      if (!stored.asked) delete this.memory.asked; // it was taken there
      Object.assign(this.memory, stored);
    } catch {} // no storage here: a visit is as long as the page
  }

  /** @param {Memory} changes */
  remember(changes) {
    const { language } = this.memory;
    this.recall();
    Object.assign(this.memory, { language }, changes);
    try {
      localStorage.setItem(this.key, JSON.stringify(this.memory));
    } catch {}
  }

  /** Leave nothing of this visitor behind. */
  forget() {
    this.memory = {};
    try {
      localStorage.removeItem(this.key);
    } catch {}
  }

  /** Become who the site vouches for; no one in particular without a proof. @param {Identity | null} [identity] */
  async identify(identity) {
    await this.opening?.catch(() => {}); // it knows nothing of this yet
    const { userId, userHash, jwt } = identity ?? {};
    if (!userId && !jwt) this.forget();
    this.identity = { userId, userHash, jwt };
    try {
      await this.session();
    } finally {
      this.identity = {}; // from here on the token says it, also when the proof has expired
    }
  }

  /** Open or renew the session. @returns {Promise<Memory>} */
  session() {
    this.opening ??= this.#open().finally(() => (this.opening = undefined));
    return this.opening;
  }

  async #open() {
    const { token, visitorId } = this.memory;
    const body = { token, visitorId, language: this.language || undefined, ...this.identity };
    let response;
    try {
      response = await this.#fetch(`/api/widget/${this.chatbot}/session`, { method: "POST", body });
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401 || !token) throw error;
      delete body.token; // too old or of another server
      response = await this.#fetch(`/api/widget/${this.chatbot}/session`, { method: "POST", body });
    }
    const opened = await response.json();
    this.remember({ ...opened, at: Date.now(), language: this.language });
    return this.memory;
  }

  /**
   * A call with the visitor's token, which is renewed when it must be.
   * @param {string} path
   * @param {{method?: string, body?: any, headers?: Record<string, string>, signal?: AbortSignal, stream?: boolean}} [options]
   */
  async call(path, options = {}) {
    const expires = Date.parse(this.memory.expiresAt ?? "") || 0;
    if (!this.memory.token || expires < Date.now() + RENEW_BEFORE) await this.session();
    const send = () => this.#fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${this.memory.token}` } });
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      await this.session();
      return send();
    }
  }

  /** @param {string} path @param {any} [body] */
  async post(path, body = {}) {
    const response = await this.call(path, { method: "POST", body });
    return response.status === 204 ? null : response.json();
  }

  /** @param {string} path */
  async get(path) {
    return (await this.call(path)).json();
  }

  /** @param {string} path @param {{method?: string, body?: any, headers?: Record<string, string>, signal?: AbortSignal, stream?: boolean}} options */
  async #fetch(path, { method = "GET", body, headers = {}, signal, stream }) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), CALL_TIMEOUT);
    signal?.addEventListener("abort", () => limit.abort());
    let response;
    try {
      response = await fetch(this.base + path, {
        method,
        headers: body ? { ...headers, "Content-Type": "application/json" } : headers,
        body: body && JSON.stringify(body),
        signal: limit.signal,
        credentials: "omit",
      });
    } catch {
      throw new Refused(0, "offline", "");
    } finally {
      if (stream) clearTimeout(timer); // of a stream only the beginning has a limit
    }
    if (response.ok) return response;
    const error = (await response.json().catch(() => ({}))).error ?? {};
    const wait = Number(response.headers.get("Retry-After")) || 0;
    throw new Refused(response.status, error.code ?? "error", error.message ?? "", wait);
  }
}
