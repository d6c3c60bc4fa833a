// Weights of the sources, calibration, slices; what is missing, and where the figures come from.

function heatMap(weights) {
  const targets = Object.keys(weights).sort();
  const sources = [...new Set(targets.flatMap((t) => Object.keys(weights[t])))].sort();
  const values = targets.flatMap((t) => Object.values(weights[t]));
  const largest = Math.max(1e-9, ...values);
  const rows = targets.map((target) => [target, ...sources.map((source) => {
    const value = weights[target][source];
    if (!isNumber(value)) return el("td", {}, "");
    const share = value / largest;
    const cell = el("td", { class: share > 0.8 ? "dark" : "" }, value.toFixed(2));
    cell.style.setProperty("--w", share.toFixed(3));
    return cell;
  })]);
  return scroller("Weights of the sources", plainTable(["", ...sources], rows, { class: "heat sticky" }));
}

function weightsPart(section) {
  const maps = section.rows.filter((row) => row.main && Object.keys(row.weights).length)
    .map((row) => [longName(row), row.weights]);
  for (const [setting, ranking] of Object.entries(section.rankings)) {
    maps.push(["Ranking without labels (" + setting + ")", ranking]);
  }
  if (!maps.length) return [el("p", { class: "note" }, "Not measured yet.")];
  const place = el("div", {});
  const show = (i) => place.replaceChildren(heatMap(maps[i][1]));
  // Those of the default come first: others are often uniform.
  const first = section.rows.filter((row) => row.main && row.system === "weighted").map(longName);
  maps.sort((a, b) => first.includes(b[0]) - first.includes(a[0]));
  show(0);
  return [
    el("div", { class: "bar" }, chooser("Weights of", maps.map(([name]) => name), show)),
    place,
    el("p", { class: "note" }, "Rows are targets, columns sources: how much each source was heard."),
  ];
}

// A part with a choice of systems, redrawn when the choice changes.
function chosenRows(section, has, shown, draw) {
  const rows = section.rows.filter((row) => row.main && has(row));
  if (!rows.length) return [el("p", { class: "note" }, "Not measured yet.")];
  const first = rows.filter((row) => shown.includes(row.system));
  const pressed = (first.length ? first : rows).slice(0, 4);
  const place = el("div", {});
  const show = (chosen) => place.replaceChildren(draw(chosen));
  show(rows.filter((row) => pressed.includes(row)));
  return [chips(rows, pressed, show), place];
}

function reliabilityPart(section) {
  return chosenRows(section, (row) => row.reliability, ["weighted"], (rows) => {
    const entries = rows.map((row, i) => [longName(row) + ", ECE of all spans " + decimal(row.reliability.ece, 3), "s" + (i % 7)]);
    return el("figure", { class: "pair" }, el("div", {}, reliabilityChart(rows)),
      el("div", {}, legend(entries), el("figcaption", {},
        "On the dashed line a score means what it says; below it, the system is too sure. " +
        "Larger dots hold more spans.")));
  });
}

const KINDS = {
  class: "By class",
  seen: "By text: was it in the silver annotations that the student learnt from?",
  length: "By length, in tokens",
};

// What a row gains on direct transfer from all sources of the same setting.
function gain(section, row, kind, name) {
  const direct = section.rows.find((other) =>
    other.system === "direct" && other.order === "all" && other.setting === row.setting);
  const found = [row, direct].map((it) => (((it || {}).slices || {})[kind] || {})[name]);
  const known = found.every((it) => it && isNumber(it.f1)) && row !== direct;
  return known ? signed(found[0].f1 - found[1].f1) : "";
}

function slicesPart(section) {
  const has = (row) => Object.keys(row.slices).length;
  return chosenRows(section, has, ["direct", "weighted", "hybrid"], (rows) => {
    const kinds = [...new Set(rows.flatMap((row) => Object.keys(row.slices)))];
    return el("div", {}, kinds.map((kind) => {
      const names = [...new Set(rows.flatMap((row) => Object.keys(row.slices[kind] || {})))].sort();
      const body = rows.map((row) => [longName(row), ...names.flatMap((name) => {
        const found = (row.slices[kind] || {})[name];
        const scores = ["precision", "recall", "f1"].map((key) => (found ? points(found[key]) : ""));
        return [...scores, gain(section, row, kind, name)];
      })]);
      const heads = names.flatMap((name) => [name + ", precision", "recall", "F1", "F1 − direct"]);
      return el("div", {}, el("h4", {}, KINDS[kind] || kind),
        scroller(KINDS[kind] || kind, plainTable(["System", ...heads], body, { class: "sticky" })));
    }));
  });
}

function missingPart(section) {
  if (!section.expected) return [el("p", {}, "No list of the expected cells was given.")];
  if (!section.missing.length) return [el("p", {}, "Of the cells that were expected, none is missing.")];
  const items = section.missing.map((cell) => el("li", {},
    [cell.setting, cell.system, cell.order, (cell.sources || []).join("+"), "→",
      (cell.targets || []).join("+"), "seed " + cell.seed].join(" ")));
  return [el("details", {}, el("summary", {}, count(items.length) + " cells are missing"),
    el("ul", { class: "cells" }, items))];
}

function counted(found) {
  return Object.entries(found).map(([name, n]) => name + " (" + count(n) + ")").join("; ") || "unknown";
}

function provenancePart(summary) {
  const found = summary.provenance;
  const entries = [
    ["Computed", found.first ? found.first + " to " + found.last : "unknown"],
    ["Commits (cells)", counted(found.commits)],
    ["Machines (cells)", counted(found.machines)],
    ...Object.entries(found.packages).map(([name, versions]) => [name, counted(versions)]),
    ["Resamples", count(summary.samples)],
  ];
  return el("dl", {}, entries.map(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
}
