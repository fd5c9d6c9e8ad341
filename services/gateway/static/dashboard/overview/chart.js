import uPlot from "uplot";
import { count, day } from "../core/format.js";
import { theme } from "../core/store.js";
import { html, useEffect, useRef, useState } from "../core/ui.js";

const DARK = matchMedia("(prefers-color-scheme: dark)");

/** @typedef {{name: string, of: string, colour: string, fill?: boolean}} Series  `colour` is a variable of the style */

/** A course over days; the same as a table for those who don't see it. @param {{days: any[], series: Series[], label: string, small?: boolean}} of */
export function Chart({ days, series, label, small = false }) {
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  const [at, point] = useState(/** @type {number | null} */ (null));
  useEffect(() => {
    const box = /** @type {HTMLElement} */ (root.current);
    /** @type {any} */
    let plot;
    const draw = () => {
      plot?.destroy();
      plot = make(box, days, series, small, point);
    };
    draw();
    const watch = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: small ? 170 : 230 }));
    watch.observe(box);
    DARK.addEventListener("change", draw);
    return () => (watch.disconnect(), DARK.removeEventListener("change", draw), plot.destroy());
  }, [days, theme.value]);
  const shown = at === null ? null : days[at];
  return html`
    <figure class="chart">
      <figcaption class="row wrap small">
        ${series.map(({ name, of, colour }) => html`<span class="row legend"><i style=${{ background: `var(${colour})` }} />${name}
          <b class="num">${count(shown ? shown[of] : days.reduce((sum, one) => sum + one[of], 0))}</b></span>`)}
        <span class="quiet">${shown ? day(`${shown.day}T12:00:00Z`) : "in all"}</span>
      </figcaption>
      <div ref=${root} aria-hidden="true" />
      <div class="hush"><table><caption>${label}</caption><thead><tr><th scope="col">Day</th>${series.map(({ name }) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>${days.filter((one) => series.some(({ of }) => one[of])).map((one) => html`<tr><th scope="row">${one.day}</th>${series.map(({ of }) => html`<td>${one[of]}</td>`)}</tr>`)}</tbody></table></div>
    </figure>`;
}

/** @param {HTMLElement} box @param {any[]} days @param {Series[]} series @param {boolean} small @param {(at: number | null) => void} point */
function make(box, days, series, small, point) {
  const colour = (/** @type {string} */ name) => resolved(box, name);
  const quiet = colour("--quiet");
  const axis = { stroke: quiet, font: "12px system-ui, sans-serif", ticks: { show: false }, grid: { stroke: colour("--line"), width: 1 } };
  const options = {
    width: box.clientWidth,
    height: small ? 170 : 230,
    padding: [12, 16, 0, 0],
    legend: { show: false },
    tzDate: (/** @type {number} */ ts) => new Date(ts * 1_000 + new Date().getTimezoneOffset() * 60_000), // days are UTC's
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: { y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ most) => [0, Math.max(4, most * 1.15)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 34, space: 64, values: (/** @type {any} */ _, /** @type {number[]} */ all) => all.map((ts) => new Date(ts * 1_000).toLocaleDateString(navigator.language, { day: "numeric", month: "short", timeZone: "UTC" })) },
      { ...axis, size: 40, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 10_000, 100_000], space: 36 },
    ],
    series: [
      {},
      ...series.map((one) => ({
        stroke: colour(one.colour),
        width: 2,
        fill: one.fill ? colour("--accent-soft") : undefined,
        points: { show: days.length <= 14, size: 5, fill: colour(one.colour) },
      })),
    ],
    hooks: { setCursor: [(/** @type {any} */ plot) => point(plot.cursor.idx ?? null)] },
  };
  const data = [days.map((one) => Date.parse(one.day) / 1_000), ...series.map(({ of }) => days.map((one) => one[of]))];
  return new uPlot(options, data, box);
}

/** A variable's colour as a canvas takes it. @param {HTMLElement} box @param {string} name */
function resolved(box, name) {
  const before = box.style.color;
  box.style.color = `var(${name})`;
  const found = getComputedStyle(box).color;
  box.style.color = before;
  return found;
}
