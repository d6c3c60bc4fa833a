"use strict";
// Every text of the data becomes a text node or an attribute, never HTML.

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined) continue;
    if (value === false && !name.startsWith("aria-")) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, String(value));
  }
  for (const child of children.flat(9)) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

const MINUS = "\u2212";
const isNumber = (value) => typeof value === "number";
const points = (value) => (isNumber(value) ? (100 * value).toFixed(1) : "–");
const decimal = (value, digits) => (isNumber(value) ? value.toFixed(digits) : "–");
const count = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u2009");

function signed(value) {
  const text = Math.abs(100 * value).toFixed(1);
  return text === "0.0" ? text : (value > 0 ? "+" : MINUS) + text;
}

function pValue(value) {
  if (!isNumber(value)) return "–";
  return value < 0.001 ? "< 0.001" : value.toFixed(3);
}

const SYSTEMS = {
  direct: "Direct transfer",
  pooled: "Student of the direct model",
  "single-mean": "Single source, mean of all",
  "single-chosen": "Single source, chosen without labels",
  "single-crossed": "Single source, best with the other seeds *",
  "single-best": "Single source, best on the test set *",
  uniform: "Student, uniform weights",
  weighted: "Student, weighted",
  ensemble: "Ensemble itself, weighted",
  mtmt: "Student of two tasks (MTMT)",
  hybrid: "Student, with a language model",
  ner: "spaCy ner on hard silver",
  supervised: "Labels of the target (upper bound)",
};
const COLOURS = ["weighted", "direct", "hybrid", "uniform", "mtmt", "pooled"];

const systemName = (system) => SYSTEMS[system] || system;
const modeName = (mode) => (mode === "one" ? "one for all" : "one each");

function colour(system) {
  const place = COLOURS.indexOf(system);
  return "s" + (place < 0 ? 6 : place);
}

function rowName(row) {
  if (row.derived || !row.competitor) return systemName(row.system);
  if (row.source) return systemName(row.system) + ", from " + row.source;
  const order = row.order === "all" ? "all sources" : row.order + " " + row.k;
  return systemName(row.system) + (row.order === "all" && row.system !== "direct" ? "" : ", " + order);
}

// Where several rows of a page bear the same name, setting and model tell them apart.
const longName = (row) => rowName(row) + " (" + row.setting + ", " + modeName(row.mode) + ")";

function scroller(label, table) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
}

// Buttons that can be pressed, several at a time.
function chips(rows, pressed, onchange) {
  const chosen = new Set(pressed);
  const buttons = rows.map((row) => {
    const button = el("button", { type: "button", class: "chip", "aria-pressed": chosen.has(row) });
    button.append(longName(row));
    button.addEventListener("click", () => {
      if (chosen.has(row)) chosen.delete(row);
      else chosen.add(row);
      button.setAttribute("aria-pressed", chosen.has(row));
      onchange(rows.filter((other) => chosen.has(other)));
    });
    return button;
  });
  return el("div", { class: "bar", role: "group", "aria-label": "Systems to show" }, buttons);
}

function chooser(label, options, onchange) {
  const select = el("select", {}, options.map((text, i) => el("option", { value: i }, text)));
  select.addEventListener("change", () => onchange(Number(select.value)));
  return el("label", {}, label, select);
}
