// The table of results: sorted by any column, filtered by words.

function comparisonCell(found, own) {
  if (own) return el("td", {}, "–");
  if (!found) return el("td", { title: "not measured yet" }, "");
  const mark = found.mark > 0 ? " ▲" : found.mark < 0 ? " ▼" : "";
  const kind = found.mark > 0 ? "up" : found.mark < 0 ? "down" : "";
  const title =
    "p = " + pValue(found.p_value) + ", adjusted " + pValue(found.adjusted) +
    "; " + found.sign.wins + " languages up, " + found.sign.losses + " down" +
    "; common seeds: " + found.seeds;
  const few = found.preliminary ? " (" + found.seeds + (found.seeds === 1 ? " seed)" : " seeds)") : "";
  return el("td", { title },
    el("span", { class: kind }, signed(found.difference) + mark + few),
    el("span", { class: "range" }, signed(found.interval[0]) + " to " + signed(found.interval[1])));
}

function scoreCell(found, kind) {
  if (!found || !isNumber(found.mean)) return el("td", { class: kind }, "");
  const sd = isNumber(found.sd) ? el("span", { class: "sd" }, " ±\u2009" + points(found.sd)) : null;
  return el("td", { class: kind }, points(found.mean), sd);
}

function resultColumns(section) {
  const targets = [...new Set(Object.values(section.settings).flatMap((s) => s.targets))];
  const mean = (found) => (found && isNumber(found.mean) ? found.mean : null);
  const against = (key) => (row) => (row.against[key] ? row.against[key].difference : null);
  return [
    { head: "System", text: true, key: (row) => rowName(row) },
    { head: "Setting", text: true, key: (row) => row.setting },
    { head: "Sources", key: (row) => row.k },
    { head: "Model", text: true, key: (row) => modeName(row.mode) },
    { head: "Average", key: (row) => mean(row.f1), cell: (row) => scoreCell(row.f1, "average") },
    { head: "vs direct from English", key: against("direct"),
      cell: (row) => comparisonCell(row.against.direct, !("direct" in row.against)) },
    { head: "vs uniform", key: against("uniform"),
      cell: (row) => comparisonCell(row.against.uniform, !("uniform" in row.against)) },
    ...targets.map((target) => ({
      head: target,
      key: (row) => mean(row.targets[target]),
      cell: (row) => scoreCell(row.targets[target], ""),
    })),
    { head: "Seeds", key: (row) => row.f1.seeds },
    { head: "ECE", key: (row) => row.ece, cell: (row) => el("td", {}, decimal(row.ece, 3)) },
    { head: "Minutes", key: (row) => row.cost,
      cell: (row) => el("td", {}, isNumber(row.cost) ? decimal(row.cost / 60, 1) : "–") },
  ];
}

// Which source a single student of each target is of.
function choicesOf(row) {
  return Object.entries(row.choices).map((choice) => choice.join(": ")).join(", ");
}

function resultRow(row, columns) {
  const cells = columns.map((column, i) => {
    if (i === 0) return el("th", { scope: "row", title: choicesOf(row) }, column.key(row));
    if (column.cell) return column.cell(row);
    return el("td", { class: column.text ? "text" : "" }, String(column.key(row)));
  });
  return el("tr", { class: row.competitor ? "" : "bound" }, cells);
}

function compareKeys(a, b) {
  if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b));
  return a - b;
}

// Rows without a figure stay at the end, whichever way the others are sorted.
function sortRows(rows, key, direction) {
  const known = rows.filter((row) => key(row) !== null);
  const rest = rows.filter((row) => key(row) === null);
  return [...known.sort((a, b) => direction * compareKeys(key(a), key(b))), ...rest];
}

function resultsTable(section) {
  const columns = resultColumns(section);
  const hasMain = section.rows.some((row) => row.main && !row.source);
  const state = { words: "", all: !hasMain, column: null, direction: 1 };
  const body = el("tbody");
  const status = el("span", { class: "small", role: "status" });

  function matches(row) {
    const text = [rowName(row), row.setting, row.system, row.order, modeName(row.mode)].join(" ");
    const words = state.words.toLowerCase().split(/\s+/);
    return words.every((word) => text.toLowerCase().includes(word));
  }

  function draw() {
    let rows = section.rows.filter((row) => (state.all || row.main) && matches(row));
    if (state.column) rows = sortRows(rows, state.column.key, state.direction);
    body.replaceChildren(...rows.map((row) => resultRow(row, columns)));
    status.textContent = rows.length + (rows.length === 1 ? " row" : " rows");
  }

  const heads = columns.map((column) => {
    const head = el("th", { scope: "col", class: column.text ? "text" : "" });
    const press = () => {
      // Figures are most often looked at from the best downwards.
      const first = column.text ? 1 : -1;
      state.direction = state.column === column ? -state.direction : first;
      state.column = column;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", state.direction > 0 ? "ascending" : "descending");
      draw();
    };
    head.append(el("button", { type: "button", onclick: press }, column.head));
    return head;
  });
  const search = el("input", { type: "search", class: "filter", placeholder: "e.g. weighted rich" });
  search.addEventListener("input", () => { state.words = search.value; draw(); });
  const partial = el("button", { type: "button", class: "chip partial", "aria-pressed": state.all },
    "Rows of some sources only");
  partial.addEventListener("click", () => {
    state.all = !state.all;
    partial.setAttribute("aria-pressed", state.all);
    draw();
  });
  draw();
  return [
    el("div", { class: "bar" }, el("label", {}, "Filter", search), partial, status),
    scroller("Results", el("table", { class: "results sticky" },
      el("thead", {}, el("tr", {}, heads)), body)),
  ];
}

function plainTable(heads, rows, attributes) {
  const head = heads.map((text, i) => el("th", { scope: "col", class: i ? "" : "text" }, text));
  const body = rows.map((cells) => el("tr", {}, cells.map((cell, i) => {
    if (cell instanceof Node) return cell;
    return i ? el("td", {}, cell) : el("th", { scope: "row" }, cell);
  })));
  return el("table", attributes, el("thead", {}, el("tr", {}, head)), el("tbody", {}, body));
}

function testsTable(section) {
  const names = { direct: "direct transfer from English", uniform: "uniform student" };
  const rows = section.rows.flatMap((row) =>
    Object.entries(row.against).filter(([, found]) => found).map(([key, found]) => [
      longName(row), names[key] || key, signed(found.difference),
      signed(found.interval[0]) + " to " + signed(found.interval[1]),
      pValue(found.p_value), pValue(found.adjusted), String(found.seeds),
      found.sign.wins + "–" + found.sign.losses + "–" + found.sign.ties,
      pValue(found.sign.p_value),
    ]));
  const heads = ["System", "against", "Difference", "95 % interval", "p", "p (Holm)", "Seeds",
    "Up–down–equal", "p (sign test)"];
  return rows.length ? scroller("Comparisons", plainTable(heads, rows, { class: "sticky" })) : null;
}

function questionsTable(section) {
  const words = { better: "better", worse: "worse", open: "not told apart", missing: "not measured yet" };
  const rows = section.questions.map((answer) => {
    const found = answer.comparison;
    const kind = { better: "up", worse: "down" }[answer.verdict] || "";
    return [
      systemName(answer.a), systemName(answer.b), answer.setting, modeName(answer.mode),
      String(answer.k), answer.order, found ? signed(found.difference) : "",
      found ? signed(found.interval[0]) + " to " + signed(found.interval[1]) : "",
      found ? found.sign.wins + "–" + found.sign.losses + "–" + found.sign.ties : "",
      found ? signed(Math.min(...found.by_run)) + " to " + signed(Math.max(...found.by_run)) : "",
      found ? pValue(found.p_value) : "", found ? pValue(found.adjusted) : "",
      found ? String(found.seeds) : "",
      el("td", {}, el("span", { class: kind }, words[answer.verdict]),
        answer.preliminary ? " (preliminary)" : null),
    ];
  });
  const heads = ["System", "against", "Setting", "Model", "Sources", "Order", "Difference",
    "95 % interval", "Up–down–equal", "Of single runs", "p", "p (Holm)", "Seeds", "Verdict"];
  return scroller("All comparisons of the two questions", plainTable(heads, rows, { class: "sticky" }));
}
