// Checks that have names: what each came to, and the timelines of its runs.

const TONES = { passed: ["good", "PASSED"], failed: ["bad", "FAILED"], unknown: ["odd", "UNKNOWN"] };

const count = (result) => data.checks.filter((of) => of.result === result).length;

function head() {
  const [tone, word] = TONES[count("failed") ? "failed" : count("unknown") || data.interrupted ? "unknown" : "passed"];
  const facts = [
    ...Object.keys(TONES).filter(count).map((result) => `${count(result)} ${result}`),
    data.interrupted && "interrupted before all had run", `run seed ${data.seed}`,
  ];
  add(byId("head"), {}, [
    el("div", { class: "headline" }, el("span", { class: `badge ${tone}` }, word), el("h1", {}, data.title),
      el("span", { class: "muted" }, facts.filter(Boolean).join(" · "))),
    command(data.command)]);
}

function check(of) {
  const [tone, word] = TONES[of.result];
  const link = (run) => run.page && el("a", { href: run.page }, `timeline on ${run.target}`);
  return el("article", { class: `panel check ${of.result}`, id: of.name },
    el("div", { class: "first" },
      el("span", { class: `badge ${tone}` }, word), el("b", {}, of.name), el("span", {}, of.title), of.runs.map(link),
      el("span", { class: "muted facts" }, [of.facts, clock(of.seconds)].filter(Boolean).join(" · "))),
    of.complaints.length > 0 && el("ul", {}, of.complaints.map((text) => el("li", {}, text))),
    of.result !== "passed" && command(of.repeat));
}

head();
add(byId("checks"), {}, [
  ...data.checks.map(check),
  data.not_asked.length > 0 && el("div", { class: "panel" }, el("h2", {}, "Rules that were not asked"),
    el("ul", {}, data.not_asked.map((of) => el("li", {}, unasked(of)))))]);
add(byId("foot"), {}, ["Passed, failed, unknown: what the harness could not judge counts as neither."]);
