// A transcript as a file, and a sound.

import { h } from "./dom.js";

/** @param {string} name @param {import("./message.js").Bubble[]} bubbles @param {import("./text.js").Text} words */
export function save(name, bubbles, words) {
  const who = (/** @type {import("./message.js").Bubble} */ one) =>
    one.sender === "visitor" ? words.you : one.sender === "admin" ? one.author || words.team : name;
  const text = bubbles
    .filter((one) => one.text)
    .map((one) => `${who(one)}, ${new Date(one.createdAt).toLocaleString()}\n${one.text}\n`)
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
