// Put the page together.

const data = JSON.parse(document.getElementById("data").textContent);

function part(id, title, ...content) {
  return el("section", { id }, el("h3", {}, title), content);
}

function sizesText(sizes) {
  return Object.entries(sizes).map(([name, n]) => name + " " + (n ? count(n) : "all")).join(", ");
}

function answersCards(headlines) {
  return el("div", { class: "answers" }, headlines.map((question) =>
    el("article", { class: "card" }, el("h3", {}, question.title),
      el("ul", {}, question.answers.map((answer) => el("li", { class: answer.verdict },
        answer.where ? el("span", { class: "where" }, answer.where) : null, answer.text))))));
}

function settingsText(section) {
  return Object.entries(section.settings).map(([name, found]) => el("p", { class: "note" },
    "Setting " + name + ": targets " + found.targets.join(", ") + "; sources " +
    (found.sources.join(", ") || "none yet") + "."));
}

const RESULTS_NOTE =
  "F1 in per cent over exact spans of PER, LOC and ORG: mean and standard deviation over seeds. ▲ and ▼: better and " +
  "worse with p < 0.05 after Holm's correction (1979) over all comparisons of this table, and three seeds or more that " +
  "both have (else the number of seeds is told in brackets); the test is a paired " +
  "bootstrap over the common runs and over test sentences. Below each difference is its 95 % " +
  "interval, without correction. * An oracle chose by the test labels. The upper bound knows labels of the target " +
  "and is no competitor. Where there is no reference of the same kind of model, that of the other kind is " +
  "taken. ECE: expected calibration error, mean over languages and seeds. Minutes of processor time: training, teachers and annotation.";

function sectionPart(section, headlines, number) {
  const id = (name) => name + "-" + number;
  return [
    el("h2", { id: id("study") }, "Study “" + section.study + "”"),
    el("p", { class: "note" }, count(section.cells) + " cells. Sentences of a language at most: " +
      sizesText(section.sizes) + "."),
    settingsText(section),
    answersCards(headlines),
    part(id("questions"), "The two questions, at each number of sources",
      el("details", {}, el("summary", {}, "Show all comparisons"), questionsTable(section))),
    part(id("results"), "Results", resultsTable(section), el("p", { class: "note" }, RESULTS_NOTE),
      el("details", {}, el("summary", {}, "All tests of this table"), testsTable(section))),
    part(id("curves"), "More sources",
      section.curves.length ? curvesPart(section) : el("p", { class: "note" }, "Not measured yet.")),
    part(id("weights"), "Which source each target listens to", weightsPart(section)),
    part(id("calibration"), "Do the scores mean what they say?", reliabilityPart(section)),
    part(id("slices"), "Kinds of entities", slicesPart(section)),
    part(id("missing"), "Missing cells", missingPart(section)),
  ];
}

function themeButton() {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => button.setAttribute("aria-pressed", isDark());
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });
  system.addEventListener("change", tell);
  tell();
}

function build() {
  const summary = data.summary;
  document.title = data.title;
  document.getElementById("title").textContent = data.title;
  const main = document.getElementById("main");
  summary.sections.forEach((section, i) => {
    fill(main, {}, [sectionPart(section, data.headlines[i], i)]);
  });
  if (data.silver) {
    fill(main, {}, [el("section", { id: "silver" }, el("h2", {}, "Silver sentences"), silverPart(data.silver))]);
  }
  const provenance = el("section", { id: "provenance" }, el("h2", {}, "Where the figures come from"),
    provenancePart(summary));
  main.append(provenance);
  const links = [...main.querySelectorAll("section[id], h2[id]")].map((place) =>
    el("a", { href: "#" + place.id }, (place.tagName === "H2" ? place : place.querySelector("h2, h3")).textContent));
  document.getElementById("contents").append(...links);
  themeButton();
}

build();
