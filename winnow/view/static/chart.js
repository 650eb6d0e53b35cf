// Coverage over attempts, from the numbers beside it. Colours are the page's, so that both themes have their own.
"use strict";

function drawCoverage(place) {
  const data = JSON.parse(place.dataset.curve);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const share = (value) => (value === null || value === undefined ? "" : `${(100 * value).toFixed(1)} %`);
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
  const points = (stroke) => ({ show: true, size: 5, fill: stroke, stroke });
  place.querySelector(".uplot")?.remove();
  const band = colour("--busy-ground");
  new uPlot({
    width: Math.max(240, place.clientWidth - 16), height: 250,
    scales: { x: { time: false, distr: 3, log: 2 }, y: { range: (_, low, high) => [Math.max(0, Math.floor(low * 10 - .5) / 10), Math.min(1, Math.ceil(high * 10 + .5) / 10)] } },
    axes: [{ ...axis, values: (_, ticks) => ticks.map((k) => (k === null ? null : String(Math.round(k * 10) / 10))) }, { ...axis, size: 52, values: (_, ticks) => ticks.map((value) => `${Math.round(100 * value)} %`) }],
    bands: [{ series: [2, 1], fill: band }],
    series: [
      { label: "attempts", value: (_, k) => (k === null ? "" : String(Math.round(k * 10) / 10)) },
      { label: "low", stroke: "transparent", width: 0, points: { show: false }, spanGaps: true, value: (_, value) => share(value) },
      { label: "high", stroke: "transparent", width: 0, points: { show: false }, spanGaps: true, value: (_, value) => share(value) },
      { label: "coverage", stroke: colour("--accent"), width: 2, spanGaps: true, points: points(colour("--accent")), value: (_, value) => share(value) },
      ...(data.law.some((value) => value !== null) ? [{ label: "law", stroke: colour("--odd"), width: 1.5, dash: [5, 4], spanGaps: true, points: { show: false }, value: (_, value) => share(value) }] : []),
    ],
  }, [data.k, data.low, data.high, data.value, ...(data.law.some((value) => value !== null) ? [data.law] : [])], place);
}

function drawAll() {
  for (const place of document.querySelectorAll("[data-chart=coverage]")) drawCoverage(place);
}

addEventListener("DOMContentLoaded", drawAll);
document.addEventListener("htmx:afterSettle", (event) => { if (event.target.id === "figures") drawAll(); });
document.addEventListener("winnow:theme", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
let resized = 0;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(drawAll, 150); });
