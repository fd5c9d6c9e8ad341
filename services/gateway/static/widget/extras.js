// A transcript as a file, and a sound.

import { h } from "./dom.js";

/** @typedef {{sender: string, author?: string | null, text: string, createdAt?: string}} Said */

/** @param {string} name @param {Said[]} said @param {import("./text.js").Text} words */
export function save(name, said, words) {
  /** @type {Record<string, (one: Said) => string>} */
  const who = { visitor: () => words.you, bot: () => name, admin: (one) => one.author || words.team, system: () => "" };
  const text = said
    .filter((one) => one.text)
    .map((one) => `${[who[one.sender]?.(one), new Date(one.createdAt ?? 0).toLocaleString()].filter(Boolean).join(", ")}\n${one.text}\n`)
    .join("\n");
  const href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  h("a", { href, download: `${name}.txt` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

export function chime() {
  const context = new AudioContext();
  const tone = context.createOscillator();
  const volume = context.createGain();
  tone.frequency.value = 660;
  volume.gain.setValueAtTime(0.06, context.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, context.currentTime + 0.35);
  tone.connect(volume).connect(context.destination);
  tone.start();
  tone.stop(context.currentTime + 0.35);
  tone.onended = () => context.close();
}
