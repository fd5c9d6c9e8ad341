// The line other sites embed: <script src="https://HOST/widget.js" data-chatbot="bot_…" async></script>
(() => {
  const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  const page = /** @type {any} */ (window);
  if (!script || page.Chattery) return;
  const { chatbot, language, open } = script.dataset;
  const base = new URL(script.src).origin;
  const started = () =>
    import(`${base}/assets/widget/{{version}}/launcher.js`).then((m) =>
      m.start({ chatbot, language, open: open !== undefined, base }),
    );
  /** @type {Promise<any> | undefined} */
  let widget;
  const ready = () => (widget ??= started());
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
  const idle = () => (page.requestIdleCallback ?? setTimeout)(() => ready().catch(console.warn));
  if (document.readyState === "complete") idle();
  else addEventListener("load", idle, { once: true });
})();
