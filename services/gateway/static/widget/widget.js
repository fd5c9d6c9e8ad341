// The line other sites embed: <script src="https://HOST/widget.js" data-chatbot="bot_…" async></script>
(() => {
  const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  const page = /** @type {any} */ (window);
  if (!script || page.Chattery) return;
  const { chatbot, language, open, userId, userHash, jwt } = script.dataset;
  const base = new URL(script.src).origin;
  const started = () =>
    import(`${base}/assets/widget/{{version}}/launcher.js`).then((m) =>
      m.start({ chatbot, language, open: open !== undefined, base, identity: { userId, userHash, jwt } }),
    );
  /** @type {Promise<any> | undefined} */
  let widget;
  const ready = () =>
    (widget ??= started().catch((error) => {
      widget = undefined; // to be tried again when it is asked for
      throw error;
    }));
  /** @type {Record<string, (...args: any[]) => Promise<any>>} */
  const handle = {};
  for (const name of ["open", "close", "send", "identify", "on"]) {
    handle[name] = (...args) => ready().then((w) => w[name](...args));
  }
  page.Chattery = handle;
  if (!chatbot) {
    console.warn("Chattery: give the script tag a data-chatbot attribute.");
    return;
  }
  // Nothing of ours runs before the page itself is there.
  const quietly = () => ready().catch((error) => console.warn(`Chattery: ${error.message}`));
  const idle = () => (page.requestIdleCallback ?? setTimeout)(quietly);
  if (document.readyState === "complete") idle();
  else addEventListener("load", idle, { once: true });
})();
