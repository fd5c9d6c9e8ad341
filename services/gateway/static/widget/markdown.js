// The Markdown that answers are written in, as elements. No HTML passes; addresses are checked.

import { h } from "./dom.js";

const INLINE = /`([^`]+)`|\*\*(.+?)\*\*|__(.+?)__|\*([^*\s](?:.*?[^*\s])?)\*|(?<![\w_])_([^_]+)_(?![\w_])|\[([^\]]+)\]\(([^)\s]+)\)|(https?:\/\/[^\s<>()]*[^\s<>().,;:!?'"])/;
const FENCE = /^ {0,3}(```|~~~)/;
const ITEM = /^(\s*)([-*+]|\d{1,3}[.)])\s+(.*)$/;

/** An address that a link may have; null for any other scheme. @param {string} text */
export function address(text) {
  try {
    const url = new URL(text, location.href);
    return ["http:", "https:", "mailto:", "tel:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** @param {string} href @param {...import("./dom.js").Child} children */
export const link = (href, ...children) =>
  h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);

/**
 * Show `text` in `target`, touching only the blocks that changed since the last time.
 * @param {HTMLElement & {blocks?: string[]}} target
 * @param {string} text
 */
export function render(target, text) {
  const fresh = split(text);
  const shown = target.blocks ?? [];
  let same = 0;
  while (same < shown.length && shown[same] === fresh[same]) same++;
  while (target.childNodes.length > same) target.lastChild?.remove();
  for (const source of fresh.slice(same)) target.append(block(source));
  target.blocks = fresh;
}

/** Text that is still being written, so that no half of a mark is seen. @param {string} text */
export function finished(text) {
  const whole = text.replace(/\[([^\]\n]*)(\](\([^)\s]*)?)?$/, "$1").replace(/\*+$/, "");
  const last = whole.slice(whole.lastIndexOf("\n\n") + 1);
  return (last.match(/\*\*/g) ?? []).length % 2 ? `${whole.trimEnd()}**` : whole;
}

/** Blocks of Markdown: paragraphs, lists, fences, tables, headings. @param {string} text */
function split(text) {
  /** @type {string[]} */
  const blocks = [];
  /** @type {string[]} */
  let current = [];
  let fence = "";
  const end = () => {
    if (current.length) blocks.push(current.join("\n"));
    current = [];
  };
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const mark = FENCE.exec(line)?.[1] ?? "";
    if (fence) {
      current.push(line);
      if (mark === fence) {
        fence = "";
        end();
      }
    } else if (mark) {
      end();
      fence = mark;
      current.push(line);
    } else if (!line.trim()) end();
    else {
      const item = ITEM.test(line);
      const inList = current.length && ITEM.test(current[0]);
      if (/^#{1,6}\s/.test(line) || (item && !inList)) end();
      current.push(line);
      if (/^#{1,6}\s/.test(line)) end();
    }
  }
  end();
  return blocks;
}

/** @param {string} source @returns {HTMLElement} */
function block(source) {
  const lines = source.split("\n");
  const fence = FENCE.exec(lines[0])?.[1];
  if (fence) {
    const closed = lines.length > 1 && FENCE.exec(lines[lines.length - 1])?.[1] === fence;
    const code = lines.slice(1, closed ? -1 : undefined).join("\n");
    return h("pre", { tabindex: "0", dir: "ltr" }, h("code", {}, code));
  }
  const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(source);
  if (heading) return h("p", { class: "heading" }, ...inline(heading[1]));
  if (lines[0].startsWith(">")) {
    return h("blockquote", {}, ...inline(lines.map((line) => line.replace(/^>\s?/, "")).join("\n")));
  }
  if (lines.length > 1 && /^\s*\|?[\s:|-]*-[\s:|-]*$/.test(lines[1]) && lines[0].includes("|")) return table(lines);
  if (ITEM.test(lines[0])) return list(lines);
  return h("p", {}, ...inline(source));
}

/** @param {string[]} lines */
function list(lines) {
  /** @type {{depth: number, element: HTMLElement}[]} */
  const open = [];
  for (const line of lines) {
    const [, space, mark, text] = ITEM.exec(line) ?? [];
    const last = open[open.length - 1]?.element.lastElementChild;
    if (text === undefined) {
      last?.append("\n", ...inline(line.trim()));
      continue;
    }
    const depth = space.length;
    while (open.length > 1 && depth < open[open.length - 1].depth) open.pop();
    const top = open[open.length - 1];
    if (!top || depth > top.depth + 1) {
      const numbered = /\d/.test(mark);
      const element = h(numbered ? "ol" : "ul", { start: numbered && mark.slice(0, -1) !== "1" ? parseInt(mark) : null });
      last?.append(element);
      open.push({ depth, element });
    }
    open[open.length - 1].element.append(h("li", {}, ...inline(text)));
  }
  return open[0].element;
}

/** @param {string[]} lines */
function table(lines) {
  const cells = (/** @type {string} */ line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const row = (/** @type {string} */ line, /** @type {"td" | "th"} */ tag) =>
    h("tr", {}, ...cells(line).map((cell) => h(tag, tag === "th" ? { scope: "col" } : {}, ...inline(cell))));
  return h(
    "div",
    { class: "table", tabindex: "0" },
    h("table", {}, h("thead", {}, row(lines[0], "th")), h("tbody", {}, ...lines.slice(2).map((line) => row(line, "td")))),
  );
}

/** @param {string} text @returns {(Node | string)[]} */
function inline(text) {
  /** @type {(Node | string)[]} */
  const nodes = [];
  let rest = text;
  for (let found = INLINE.exec(rest); found; found = INLINE.exec(rest)) {
    if (found.index) nodes.push(rest.slice(0, found.index));
    nodes.push(span(found));
    rest = rest.slice(found.index + found[0].length);
  }
  if (rest) nodes.push(rest);
  return nodes;
}

/** @param {RegExpExecArray} found @returns {Node | string} */
function span([whole, code, bold, bold2, italic, italic2, label, target, bare]) {
  if (code) return h("code", { dir: "ltr" }, code);
  if (bold ?? bold2) return h("strong", {}, ...inline(bold ?? bold2));
  if (italic ?? italic2) return h("em", {}, ...inline(italic ?? italic2));
  const href = address(target ?? bare);
  if (!href) return label ?? whole;
  return link(href, ...(label ? inline(label) : [bare]));
}
