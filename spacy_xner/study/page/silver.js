// The browser of silver sentences. One span at a time is in the order of Tab; the arrow keys move
// from span to span (left, right) and from sentence to sentence (up, down).

const LABELS = ["PER", "LOC", "ORG"];
const overlaps = (a, b) => a.start < b.end && b.start < a.end;
const textOf = (sentence, span) =>
  sentence.tokens.slice(span.start, span.end).map(([text, space]) => text + (space ? " " : "")).join("").trim();

// What only teachers see, and the ensemble does not: overlapping votes become one place.
function loneVotes(sentence) {
  const votes = Object.values(sentence.votes).flat().filter((vote) =>
    !sentence.spans.some((span) => overlaps(span, vote)));
  votes.sort((a, b) => a.start - b.start);
  const places = [];
  for (const vote of votes) {
    const last = places[places.length - 1];
    if (last && overlaps(last, vote)) last.end = Math.max(last.end, vote.end);
    else places.push({ start: vote.start, end: vote.end, label: null, score: null });
  }
  return places;
}

function votePanel(sentence, span) {
  const teachers = [...new Set([...Object.keys(sentence.weights), ...Object.keys(sentence.votes)])];
  const rows = teachers.map((teacher) => {
    const votes = (sentence.votes[teacher] || []).filter((vote) => overlaps(vote, span));
    const said = votes.map((vote) => {
      const same = vote.start === span.start && vote.end === span.end;
      return vote.label + " " + vote.score.toFixed(2) + (same ? "" : " “" + textOf(sentence, vote) + "”");
    });
    const kept = teacher in sentence.votes;
    const weight = sentence.weights[teacher];
    return [teacher, said.join("; ") || (kept ? "nothing" : "not kept"),
      isNumber(weight) ? weight.toFixed(2) : "–"];
  });
  const ensemble = span.label ? span.label + " with " + span.score.toFixed(2) : "nothing";
  return [
    el("h4", {}, textOf(sentence, span)),
    el("p", {}, "The ensemble: " + ensemble),
    plainTable(["Teacher", "says", "weight"], rows, {}),
  ];
}

function spanButton(sentence, span, show) {
  const kind = LABELS.includes(span.label) ? span.label : "OTHER";
  const button = el("button", { type: "button", tabindex: -1,
    class: span.label ? "span " + kind : "span lone" }, textOf(sentence, span));
  if (span.label) {
    button.append(el("sub", {}, span.label + " " + Math.round(100 * span.score)));
    button.style.setProperty("--w", Math.max(0, Math.min(1, span.score)).toFixed(3));
  } else {
    button.append(el("sub", {}, "?"));
  }
  const tell = () => show(votePanel(sentence, span));
  button.addEventListener("mouseenter", tell);
  button.addEventListener("focus", tell);
  button.addEventListener("click", () => button.focus());
  return button;
}

function sentenceItem(sentence, show) {
  const places = [...sentence.spans, ...loneVotes(sentence)].sort((a, b) => a.start - b.start);
  const item = el("li", {});
  let at = 0;
  const plain = (from, to) =>
    item.append(sentence.tokens.slice(from, to).map(([text, space]) => text + (space ? " " : "")).join(""));
  for (const span of places) {
    plain(at, span.start);
    item.append(spanButton(sentence, span, show));
    if (sentence.tokens[span.end - 1][1]) item.append(" ");
    at = span.end;
  }
  plain(at, sentence.tokens.length);
  return item;
}

// Make one of the spans the one that Tab reaches, and go to it.
function moveTo(list, button) {
  for (const other of list.querySelectorAll(".span")) other.tabIndex = -1;
  button.tabIndex = 0;
  button.focus();
}

function neighbour(list, button, key) {
  const all = [...list.querySelectorAll(".span")];
  const place = all.indexOf(button);
  if (key === "ArrowRight") return all[place + 1];
  if (key === "ArrowLeft") return all[place - 1];
  if (key === "Home") return all[0];
  if (key === "End") return all[all.length - 1];
  const step = key === "ArrowDown" ? 1 : -1;
  const items = [...list.children];
  for (let i = items.indexOf(button.closest("li")) + step; items[i]; i += step) {
    const first = items[i].querySelector(".span");
    if (first) return first;
  }
  return null;
}

function silverPart(silver) {
  const targets = Object.keys(silver);
  const list = el("ul", { class: "sentences" });
  const hint = el("p", { class: "note" }, "Choose a span: point at it, or reach it with Tab and the arrow keys.");
  const panel = el("div", { class: "card panel", "aria-live": "polite" }, hint);
  list.addEventListener("keydown", (event) => {
    if (!event.target.classList.contains("span")) return;
    if (!["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const next = neighbour(list, event.target, event.key);
    if (next) moveTo(list, next);
  });
  list.addEventListener("focusin", (event) => {
    if (event.target.classList.contains("span") && event.target.tabIndex < 0) moveTo(list, event.target);
  });
  const show = (i) => {
    const tell = (content) => panel.replaceChildren(...content);
    const items = silver[targets[i]].map((sentence) => sentenceItem(sentence, tell));
    list.replaceChildren(...(items.length ? items : [el("li", {}, "Nobody sees an entity in this text.")]));
    list.scrollTop = 0;
    panel.replaceChildren(hint);
    const first = list.querySelector(".span");
    if (first) first.tabIndex = 0;
  };
  show(0);
  return [
    el("p", {}, "Sentences at equal distances from the first file of a target, among those in which somebody " +
      "sees an entity. The darker a span, the surer the ensemble; the number is its probability in per cent. " +
      "Dashed: at least one teacher sees an entity, and the ensemble does not."),
    el("div", { class: "bar" }, chooser("Target", targets, show)),
    el("div", { class: "browser" }, el("div", { class: "scroll" }, list), panel),
    el("p", { class: "note" }, "Licence: these sentences come from corpora, some of which may be used for " +
      "non-commercial purposes only. This page may then be used and passed on for such purposes only."),
  ];
}
