// What tests look for in a page (test_view_browser.py): each gives a list of what is wrong.
"use strict";

// Tags that only texts of agents have.
const injected = () => [...document.querySelectorAll(
  "body script, img[src=x], svg[onload], [onerror], a[href^='javascript:'], textarea")].map((e) => e.outerHTML);

// Names, labels, landmarks, heads of tables, places that links lead to: what a screen reader and a keyboard need.
const faults = () => {
  const wrong = [];
  const all = (what) => [...document.querySelectorAll(what)];
  const name = (e) => (e.getAttribute("aria-label") || (e.getAttribute("aria-labelledby") || "").split(" ")
    .map((id) => id && document.getElementById(id)?.textContent).join(" ").trim() || e.textContent || e.title || "").trim();
  if (!document.documentElement.lang || !document.title) wrong.push("no language or title");
  for (const [what, many] of [["main", 1], ["body > header", 1], ["h1", 1]])
    if (all(what).length !== many && !(what === "h1" && document.querySelector("#output"))) wrong.push(`${all(what).length} of ${what}`);
  for (const e of all("a[href], button, summary")) if (!name(e)) wrong.push(`no name: ${e.outerHTML.slice(0, 90)}`);
  for (const e of all("input:not([type=hidden]), select"))
    if (!e.labels.length && !e.getAttribute("aria-label")) wrong.push(`no label: ${e.outerHTML}`);
  for (const e of all("section, nav, [role=region]"))
    if (!e.getAttribute("aria-label") && !name({ ...e, getAttribute: (a) => e.getAttribute(a), textContent: "", title: "" }))
      wrong.push(`no label: ${e.outerHTML.slice(0, 90)}`);
  for (const e of all("table:not(.uplot table) th")) if (!e.scope) wrong.push(`no scope: ${e.outerHTML}`);
  for (const e of all("table")) if (!e.querySelector("th")) wrong.push("a table without heads");
  for (const e of all("[tabindex]")) if (e.tabIndex > 0) wrong.push("an order of its own");
  for (const e of all("svg")) if (!e.closest("[aria-hidden=true], [role=img]")) wrong.push("a picture without words");
  const ids = all("[id]").map((e) => e.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) wrong.push(`twice: ${id}`);
  for (const e of all("a[href^='#']")) if (!document.getElementById(decodeURIComponent(e.hash.slice(1)))) wrong.push(`nowhere: ${e.hash}`);
  return wrong.concat(contrast());
};

// Words that stand out too little from their ground (WCAG 2.2, 1.4.3: 4.5 to 1, of large ones 3 to 1).
const contrast = () => {
  const part = (c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  canvas.canvas.width = canvas.canvas.height = 1;
  const over = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  };
  const wrong = new Map();
  for (const e of document.querySelectorAll("body *")) {
    const words = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!words || !e.checkVisibility({ visibilityProperty: true }) || e.closest(".sr, .skip, canvas, option, dialog:not([open])")) continue;
    const grounds = [];
    let opacity = 1;
    for (let at = e; at; at = at.parentElement) {
      grounds.unshift(getComputedStyle(at).backgroundColor);
      opacity *= Number(getComputedStyle(at).opacity);
    }
    const style = getComputedStyle(e), ground = over(["white", ...grounds]), ink = over(["white", ...grounds, style.color]);
    const ratio = (Math.max(ground, ink) + .05) / (Math.min(ground, ink) + .05);
    const least = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    if (ratio * (opacity < 1 ? opacity : 1) < least) wrong.set(`${e.tagName}.${e.className}`, `${ratio.toFixed(2)} ${e.textContent.trim().slice(0, 30)}`);
  }
  return [...wrong].map((found) => found.join(": "));
};
