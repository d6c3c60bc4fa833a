// Curves over the number of sources, and the reliability diagram.

const WIDTH = 520;
const HEIGHT = 320;
const EDGE = { left: 52, right: 16, top: 16, bottom: 44 };
const DASHES = { s0: null, s1: "8 4", s2: "2 4", s3: "10 3 2 3", s4: "5 2", s5: "1 3", s6: "6 6" };

function ticks(low, high, wanted) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i += 1) found.push(i * step);
  return found;
}

function scale(low, high, from, to) {
  const width = high - low || 1;
  return (value) => from + ((value - low) / width) * (to - from);
}

function axes(x, y, xTicks, yTicks, xLabel, yLabel, show) {
  const bottom = HEIGHT - EDGE.bottom;
  return [
    yTicks.map((value) => [
      svg("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value) }),
      svg("text", { x: EDGE.left - 8, y: y(value) + 4, "text-anchor": "end" }, show(value)),
    ]),
    xTicks.map((value) =>
      svg("text", { x: x(value), y: bottom + 18, "text-anchor": "middle" }, String(value))),
    svg("line", { class: "axis", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: bottom, y2: bottom }),
    svg("text", { x: (EDGE.left + WIDTH - EDGE.right) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, xLabel),
    svg("text", { x: 14, y: HEIGHT / 2 - 14, "text-anchor": "middle",
      transform: "rotate(-90 14 " + (HEIGHT / 2 - 14) + ")" }, yLabel),
  ];
}

const path = (places) => places.map(([a, b], i) => (i ? "L" : "M") + a.toFixed(1) + " " + b.toFixed(1)).join("");

function legend(entries) {
  return el("ul", { class: "legend" }, entries.map(([name, kind, faint = ""]) =>
    el("li", {}, svg("svg", { class: kind + faint, viewBox: "0 0 36 14", "aria-hidden": "true" },
      svg("line", { class: "line", x1: 0, x2: 36, y1: 7, y2: 7, "stroke-dasharray": DASHES[kind] }),
      svg("circle", { class: "dot", cx: 18, cy: 7, r: 4 })), name)));
}

// One chart of the curves of one setting and mode; `field` is "f1" or "cost".
function curveChart(curves, field, factor, label, caption) {
  const lines = curves.map((curve) => ({
    system: curve.system,
    name: systemName(curve.system) + (curve.order === "random" ? ", sources at random" : ""),
    faint: curve.order === "random" ? " faint" : "",
    points: curve.points.filter((point) => isNumber(point[field].mean)).map((point) => ({
      k: point.k, runs: point.runs, seeds: point.seeds,
      mean: factor * point[field].mean,
      sd: isNumber(point[field].sd) ? factor * point[field].sd : null,
    })),
  })).filter((line) => line.points.length > 1);
  lines.sort((a, b) => colour(a.system).localeCompare(colour(b.system)));
  if (!lines.length) return null;
  const all = lines.flatMap((line) => line.points);
  const ks = [...new Set(all.map((point) => point.k))].sort((a, b) => a - b);
  let low = Math.min(...all.map((point) => point.mean - point.sd)); // null counts as 0
  const high = Math.max(...all.map((point) => point.mean + point.sd));
  if (field === "cost") low = 0;
  const pad = (high - low || 1) * 0.08;
  const bottom = field === "cost" ? 0 : low - pad;
  const x = scale(ks[0], ks[ks.length - 1], EDGE.left + 14, WIDTH - EDGE.right - 14);
  const y = scale(bottom, high + pad, HEIGHT - EDGE.bottom, EDGE.top);
  const yTicks = ticks(bottom, high + pad, 5);
  const step = yTicks.length > 1 ? yTicks[1] - yTicks[0] : 1;
  const digits = step < 1 ? Math.min(3, Math.ceil(-Math.log10(step))) : 0;
  const drawn = lines.map((line) => {
    const kind = colour(line.system);
    const upper = line.points.map((p) => [x(p.k), y(p.mean + p.sd)]);
    const lower = line.points.map((p) => [x(p.k), y(p.mean - p.sd)]).reverse();
    return svg("g", { class: kind + line.faint },
      svg("path", { class: "band", d: path([...upper, ...lower]) + "Z" }),
      svg("path", { class: "line", "stroke-dasharray": DASHES[kind],
        d: path(line.points.map((p) => [x(p.k), y(p.mean)])) }),
      line.points.map((p) => svg("circle", { class: "dot", cx: x(p.k), cy: y(p.mean), r: 4.5 },
        svg("title", {}, line.name + ", " + p.k + " sources: " + p.mean.toFixed(1) +
          (isNumber(p.sd) ? " ± " + p.sd.toFixed(1) : "") +
          " (runs: " + p.runs + ", seeds: " + p.seeds + ")"))));
  });
  const picture = svg("svg", { viewBox: "0 0 " + WIDTH + " " + HEIGHT, role: "img", "aria-label": label },
    axes(x, y, ks, yTicks, "sources", label, (value) => value.toFixed(digits)), drawn);
  const rows = lines.flatMap((line) => line.points.map((p) => [
    line.name, String(p.k), p.mean.toFixed(1), decimal(p.sd, 1), String(p.runs), String(p.seeds)]));
  return el("figure", {}, el("h4", {}, label), picture,
    legend(lines.map((line) => [line.name, colour(line.system), line.faint])),
    el("figcaption", {}, caption),
    el("details", {}, el("summary", {}, "The same as a table"),
      scroller(label, plainTable(["System", "Sources", "Mean", "sd", "Runs", "Seeds"], rows, {}))));
}

function curvesPart(section) {
  const groups = [...new Set(section.curves.map((c) => c.setting + "\n" + c.mode))];
  return groups.map((group) => {
    const [setting, mode] = group.split("\n");
    const mine = section.curves.filter((c) => c.setting === setting && c.mode === mode);
    const caption = "Bands: one standard deviation over orders of sources and seeds.";
    return el("div", {}, el("h4", {}, "Setting " + setting + ", " + modeName(mode)),
      el("div", { class: "pair curves" },
        curveChart(mine, "f1", 100, "F1, average over languages (%)", caption),
        curveChart(mine, "cost", 1 / 60, "Processor minutes to get the model",
          "Training, the share of the teachers and annotation; scoring is left out.")));
  });
}

function reliabilityChart(rows) {
  const x = scale(0, 1, EDGE.left + 4, WIDTH - EDGE.right - 8);
  const y = scale(0, 1, HEIGHT - EDGE.bottom, EDGE.top);
  const steps = [0, 0.2, 0.4, 0.6, 0.8, 1];
  const largest = Math.max(1, ...rows.flatMap((row) => row.reliability.bins.map((bin) => bin.spans)));
  const drawn = rows.map((row, i) => {
    const bins = row.reliability.bins;
    const kind = "s" + (i % 7);
    return svg("g", { class: kind },
      svg("path", { class: "line", "stroke-dasharray": DASHES[kind],
        d: path(bins.map((bin) => [x(bin.confidence), y(bin.accuracy)])) }),
      bins.map((bin) => svg("circle", { class: "dot", cx: x(bin.confidence), cy: y(bin.accuracy),
        r: 3 + 6 * Math.sqrt(bin.spans / largest) },
      svg("title", {}, longName(row) + ": score " + bin.confidence.toFixed(2) + ", right " +
        bin.accuracy.toFixed(2) + ", " + bin.spans + " spans"))));
  });
  return svg("svg", { viewBox: "0 0 " + WIDTH + " " + HEIGHT, role: "img",
    "aria-label": "Share of right spans over their score" },
  axes(x, y, steps, steps, "mean score of the spans", "share of right spans", (v) => v.toFixed(1)),
  svg("line", { class: "diagonal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }), drawn);
}
