// Keyboard shortcuts of one letter. They rest while one writes, and can be turned off.
import { kept } from "./store.js";
import { useEffect, useRef } from "./ui.js";

export const shortcuts = kept("shortcuts", true);

/** @param {Record<string, (event: KeyboardEvent) => void>} keys by `KeyboardEvent.key` */
export function useKeys(keys) {
  const now = useRef(keys);
  now.current = keys;
  useEffect(() => {
    const press = (/** @type {KeyboardEvent} */ event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      const writes = target.closest("input, textarea, select, [contenteditable]");
      const busy = event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], .menu .list");
      if (!shortcuts.value || writes || busy || !Object.hasOwn(now.current, event.key)) return;
      event.preventDefault();
      now.current[event.key](event);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
