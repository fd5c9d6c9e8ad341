// The page's few moving parts: the live bot where there is one, copying, this installation's address.

for (const place of document.querySelectorAll("[data-origin]")) place.textContent = location.origin;

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const code = /** @type {HTMLElement} */ (button.closest("figure")?.querySelector("code"));
    try {
      await navigator.clipboard.writeText(code.textContent ?? "");
      button.textContent = "Copied";
    } catch { // not allowed, or not there without https
      getSelection()?.selectAllChildren(code);
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => (button.textContent = "Copy"), 2_000);
  });
}

const { chatbotId } = await fetch("/demo.json").then((response) => response.json()).catch(() => ({})); // the page stands without it
if (chatbotId) {
  const { start } = await import("/widget.mjs");
  const widget = await start({ chatbot: chatbotId });
  const section = /** @type {HTMLElement} */ (document.querySelector("#demo"));
  for (const button of section.querySelectorAll("button")) {
    button.addEventListener("click", () => widget.send(button.textContent ?? ""));
  }
  section.hidden = false;
}
