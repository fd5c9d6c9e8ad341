import { html } from "../core/ui.js";
import { Page } from "../parts/page.js";
import { Loading } from "../parts/states.js";

export default () => html`<${Page} title="…"><${Loading} /><//>`;
