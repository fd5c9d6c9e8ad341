// The dashboard begins: who is here, and the screen of the address.
import { App } from "./frame/app.js";
import { listen } from "./core/router.js";
import { enter } from "./core/store.js";
import { failed } from "./frame/app.js";
import { html, render } from "./core/ui.js";

listen();
render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
enter().catch((error) => (failed.value = error));
