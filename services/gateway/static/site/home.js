// The page's few moving parts: the live bot where there is one, copying, this installation's address.

for (const place of document.querySelectorAll("[data-origin]")) place.textContent = location.origin;

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.closest("figure")?.querySelector("code")?.textContent ?? "");
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2_000);
  });
}

const { chatbotId } = await (await fetch("/demo.json")).json();
if (chatbotId) {
  const { start } = await import("/widget.mjs");
  const widget = await start({ chatbot: chatbotId });
  const section = /** @type {HTMLElement} */ (document.querySelector("#demo"));
  for (const button of section.querySelectorAll("button")) {
    button.addEventListener("click", () => widget.send(button.textContent ?? ""));
  }
  section.hidden = false;
}
