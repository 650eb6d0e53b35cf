// What the pages do beyond links and forms: themes, keys, folding, and filters where there is no server to ask.
"use strict";

const root = document.documentElement;
const remembered = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
const remember = (name, value) => {
  try { value === null ? localStorage.removeItem(name) : localStorage.setItem(name, value); } catch { /* not kept */ }
};

// Themes: as the system has it, light, dark.
const themes = ["auto", "light", "dark"];
const themeSwitch = document.querySelector("[data-theme-switch]");
function showTheme() { themeSwitch.textContent = `Theme: ${root.dataset.theme || "auto"}`; }
function nextTheme() {
  const next = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
  if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
  remember("winnow-theme", next === "auto" ? null : next);
  showTheme();
  document.dispatchEvent(new Event("winnow:theme"));
}
themeSwitch.addEventListener("click", nextTheme);
showTheme();

// A turn that the address names is unfolded, and so is an output.
function unfoldTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const folded = target.closest("details");
  if (folded) folded.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", unfoldTarget);
unfoldTarget();

const foldAll = document.querySelector("[data-fold-all]");
function foldTurns() {
  const turns = [...document.querySelectorAll("details.turn")];
  const open = turns.some((turn) => !turn.open);
  for (const turn of turns) turn.open = open;
  if (foldAll) foldAll.textContent = open ? "Fold all" : "Unfold all";
}
foldAll?.addEventListener("click", foldTurns);

// Single keys, which may be switched off (they are in the way of some ways to speak to a browser).
const dialog = document.getElementById("keys");
const keysOn = document.querySelector("[data-keys-on]");
keysOn.checked = remembered("winnow-keys") !== "off";
keysOn.addEventListener("change", () => remember("winnow-keys", keysOn.checked ? null : "off"));
document.querySelector("[data-keys]").addEventListener("click", () => dialog.showModal());

function move(by) {
  const rows = [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}
const follow = (selector) => document.querySelector(selector)?.click();
const keys = {
  j: () => move(1), k: () => move(-1), "/": () => document.querySelector("[data-search]")?.focus(),
  u: () => follow("[data-up]"), "[": () => follow("a[rel=prev]"), "]": () => follow("a[rel=next]"),
  t: nextTheme, e: foldTurns, "?": () => dialog.showModal(),
};
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea, dialog[open]");
  if (typing && event.key === "Escape" && event.target.matches("input")) event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !keysOn.checked) return;
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});

// An opened cell of the matrix goes to its output.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "output") event.target.focus({ preventScroll: true });
});

// In an export nobody can be asked: the table is filtered and sorted here, and the address says how all the same.
if (document.body.hasAttribute("data-static")) {
  const form = document.querySelector("[data-filter]");
  const table = document.querySelector("[data-sortable]");
  if (form && table) {
    const rows = [...table.tBodies[0].rows].filter((row) => row.dataset.state !== undefined);
    const asked = new URLSearchParams(location.search);
    for (const field of form.elements) if (field.name && asked.has(field.name)) field.value = asked.get(field.name);
    const columns = [...table.tHead.rows[0].cells];
    const said = (row, at) => {
      const cell = row.cells[at];
      return cell.dataset.value === undefined ? cell.textContent.trim().toLowerCase() : Number(cell.dataset.value);
    };
    const show = () => {
      const value = (name) => form.elements[name]?.value || "";
      const words = value("q").toLowerCase().split(/\s+/).filter(Boolean);
      let found = 0;
      for (const row of rows) {
        const text = row.cells[1].textContent.toLowerCase();
        const fits = words.every((word) => text.includes(word)) && (!value("state") || row.dataset.state === value("state"))
          && (!value("verdict") || row.dataset.verdict.split(" ").includes(value("verdict")));
        row.hidden = !fits;
        found += fits;
      }
      const at = columns.findIndex((column) => column.dataset.sort === (value("sort") || "order"));
      const down = value("dir") === "down" ? -1 : 1;
      rows.sort((a, b) => { const x = said(a, at), y = said(b, at); return down * (x < y ? -1 : x > y ? 1 : 0); });
      table.tBodies[0].append(...rows);
      columns.forEach((column, place) => column.setAttribute("aria-sort", place === at ? (down < 0 ? "descending" : "ascending") : "none"));
      form.querySelector("[data-found]").textContent = `${found} ${found === 1 ? "issue" : "issues"}`;
      const query = new URLSearchParams();
      for (const name of ["q", "state", "verdict", "sort", "dir"]) {
        if (value(name) && !(name === "sort" && value(name) === "order")) query.set(name, value(name));
      }
      const search = query.toString();
      try { history.replaceState(null, "", search ? `?${search}` : location.pathname); } catch { /* a file's address stays */ }
    };
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
    table.tHead.addEventListener("click", (event) => {
      const column = event.target.closest("[data-sort]");
      if (!column) return;
      event.preventDefault();
      const same = form.elements.sort.value === column.dataset.sort;
      form.elements.dir.value = same ? (form.elements.dir.value ? "" : "down") : (["order", "issue"].includes(column.dataset.sort) ? "" : "down");
      form.elements.sort.value = column.dataset.sort;
      show();
    });
    show();
  }
}
