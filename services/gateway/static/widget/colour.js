// Colours that can be read: WCAG 2.2's contrast, and a way to reach it.

/** @param {string} hex @returns {number[]} */
const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** @param {string} hex */
export function luminance(hex) {
  const [r, g, b] = parts(hex).map((value) => {
    const c = value / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {string} a @param {string} b */
export function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** The text colour that was wished for, or black or white where it could not be read. */
export const readable = (/** @type {string} */ text, /** @type {string} */ ground) =>
  contrast(text, ground) >= 4.5 ? text : contrast("#ffffff", ground) >= 4.5 ? "#ffffff" : "#111111";

/** A colour moved towards black or white until it can be read on `ground`. @param {string} hex @param {string} ground */
export function legible(hex, ground) {
  const goal = luminance(ground) > 0.4 ? 0 : 255;
  let colour = hex;
  for (let step = 1; contrast(colour, ground) < 5.2 && step <= 20; step++) {
    colour = `#${parts(hex)
      .map((c) => Math.round(c + ((goal - c) * step) / 20).toString(16).padStart(2, "0"))
      .join("")}`;
  }
  return colour;
}
