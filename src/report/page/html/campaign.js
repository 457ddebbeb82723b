// A campaign: what was found, what was reached, and how it went over time.

const ENDED = {
  completed: null, "at-violation": "ended at the first violation", interrupted: "interrupted",
  "gave-up": "gave up: the harness failed again and again", running: "still running",
};

const counted = (n, word) => `${grouped(n)} ${word}${n === 1 ? "" : "s"}`;

function head() {
  const [tone, word] = data.violated > 0 ? ["bad", "VIOLATED"]
    : data.unknown > 0 || data.ended === "interrupted" || data.ended === "gave-up" ? ["odd", "UNKNOWN"] : ["good", "HELD"];
  const facts = [
    ENDED[data.ended], `seed ${data.seed}`, `${clock(data.seconds)} of running`,
    data.asked !== null && `${counted(data.asked, "plan")} asked for`,
    data.replayed > 0 && `${counted(data.replayed, "kept plan")} first`,
  ];
  add(byId("head"), {},
    [el("div", { class: "headline" }, el("span", { class: `badge ${tone}` }, word), el("h1", {}, data.title),
      el("span", { class: "muted" }, facts.filter(Boolean).join(" · "))),
    command(data.command)]);
}

function tiles() {
  const reached = data.sometimes.filter((entry) => entry.count > 0).length;
  const all = data.sometimes.length;
  const rate = data.seconds > 0 ? data.plans / data.seconds : 0;
  const tile = (value, name, tone = "") => el("div", { class: `panel tile ${tone}` }, el("b", {}, value), el("span", {}, name));
  add(byId("tiles"), {}, [
    tile(grouped(data.plans), "plans run"),
    tile(grouped(data.held), "held", "good"),
    tile(grouped(data.violated), "violated", data.violated ? "bad" : ""),
    tile(grouped(data.unknown), "unknown", data.unknown ? "odd" : ""),
    tile(rate < 10 ? rate.toFixed(2) : grouped(Math.round(rate)), "plans a second"),
    tile(`${reached} of ${all}`, "sometimes reached", reached < all ? "odd" : "good"),
    el("p", { class: "counts" }, data.counts.map((count) => `${grouped(count.count)}\u00a0${count.name.replaceAll(" ", "\u00a0")}`).join(" · ")),
  ]);
}

function violations() {
  const card = (of) => el("article", { class: "panel violation" },
    el("div", { class: "first" },
      el("b", {}, `${of.rule} (${of.kind})`),
      el("span", {}, counted(of.steps, "step")),
      of.place && el("span", {}, `seen ${of.place}`),
      of.page && el("a", { href: of.page }, "timeline"),
      of.is_known && el("span", { class: "badge odd" }, "kept plan"),
      of.more > 0 && el("span", { class: "muted" }, `${counted(of.more, "more plan")} failed in the same way`),
      el("span", { class: "muted" }, of.words)),
    el("div", { class: "sides" },
      el("div", {}, el("span", {}, "expected: "), of.expected), el("div", {}, el("span", {}, "observed: "), of.observed)),
    command(of.replay),
    el("details", {}, el("summary", {}, of.origin), el("pre", {}, of.plan)));
  add(byId("violations"), {}, data.violations.map(card));
}

// Large counts, short enough for a cell.
function brief(n) {
  if (n >= 1e6) return `${(n / 1e6).toFixed(n < 1e7 ? 1 : 0)}\u202fM`;
  return n >= 1e5 ? `${Math.round(n / 1e3)}\u202fk` : grouped(n);
}

function heat() {
  const most = Math.max(1, ...data.disturbances.flatMap((row) => [...row.phases, row.idle]));
  const cell = (n, name, phase) => {
    if (n === 0) return el("td", { class: "cell none", title: `${name} never came while ${phase}` }, "·");
    const strength = 0.1 + 0.45 * (Math.log1p(n) / Math.log1p(most));
    return el("td", { class: "cell", style: `background:rgba(var(--heat),${strength.toFixed(3)})`, title: `${name} came while ${phase}: ${grouped(n)}` }, brief(n));
  };
  const number = (n) => (n === null ? el("td", {}) : el("td", { title: grouped(n) }, brief(n)));
  const row = (of) => {
    const total = of.idle + of.phases.reduce((sum, n) => sum + n, 0);
    return el("tr", { class: total ? "" : "never" }, el("th", { scope: "row" }, of.name), number(of.made), number(of.hit),
      of.phases.map((n, at) => cell(n, of.name, data.phases[at])), cell(of.idle, of.name, "at no instruction"));
  };
  add(byId("heat"), {}, [
    el("h2", {}, "Faults by phase", el("span", { class: "muted" }, "where containers were when each came")),
    el("table", {},
      el("thead", {}, el("tr", {}, el("th", {}), ["made", "hit", ...data.phases, "idle"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, data.disturbances.map(row)))]);
}

function sometimes() {
  const unreached = data.sometimes.filter((entry) => entry.count === 0);
  const reached = data.sometimes.filter((entry) => entry.count > 0);
  const item = (entry) => {
    if (entry.count === 0) return el("li", { class: "unreached" }, el("span", {}, entry.name), el("span", { class: "n" }, "not reached"));
    const share = Math.min(100, (100 * entry.count) / Math.max(1, data.plans));
    return el("li", {}, el("span", {}, entry.name),
      el("span", { class: "share", title: `in ${share.toFixed(1)} % of the plans` }, el("i", { style: `width:${Math.max(1.5, share)}%` })),
      el("span", { class: "n" }, counted(entry.count, "plan")));
  };
  add(byId("sometimes"), {}, [
    el("h2", {}, "Sometimes", el("span", { class: "muted" }, `${reached.length} of ${data.sometimes.length} reached`)),
    el("ul", {}, unreached.map(item), reached.map(item))]);
}

// A line over time, with its last and its largest value.
function chart(title, points, show, tone = "") {
  // Drawn as wide as it is shown, so that its text is not stretched.
  const width = Math.max(200, Math.floor((byId("heat").offsetWidth - 10) / (innerWidth > 1050 ? 2 : 1)) - 26);
  const [height, left, bottom] = [104, 4, 14];
  const last = points[points.length - 1];
  const end = Math.max(1e-9, last[0]);
  const top = Math.max(1e-9, ...points.map((point) => point[1]));
  const x = (at) => left + (at / end) * (width - 2 * left);
  const y = (value) => height - bottom - (value / top) * (height - bottom - 14);
  const path = points.map(([at, value], n) => `${n ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const value = el("span", {}, show(last[1]));
  const dot = svg("circle", { class: "dot", r: 3, visibility: "hidden" });
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${show(last[1])} at the end, ${show(top)} at most` },
    svg("line", { class: "grid", x1: left, x2: width - left, y1: y(0), y2: y(0) }),
    svg("line", { class: "grid", x1: left, x2: width - left, y1: y(top), y2: y(top), "stroke-dasharray": "2 3" }),
    svg("path", { class: "area", d: `${path}L${x(end)} ${y(0)}L${x(points[0][0])} ${y(0)}z` }),
    svg("path", { class: "line", d: path }), dot,
    svg("text", { x: left, y: y(top) - 3 }, show(top)),
    svg("text", { x: left, y: height - 3 }, "0 s"),
    svg("text", { x: width - left, y: height - 3, "text-anchor": "end" }, clock(end)));
  drawing.addEventListener("mousemove", (event) => {
    const box = drawing.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * end;
    const near = points.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a));
    add(dot, { cx: x(near[0]), cy: y(near[1]), visibility: "visible" }, []);
    value.textContent = `${show(near[1])} at ${clock(near[0])}`;
  });
  drawing.addEventListener("mouseleave", () => { dot.setAttribute("visibility", "hidden"); value.textContent = show(last[1]); });
  return el("div", { class: `panel chart ${tone}` }, el("h2", {}, title, value), drawing);
}

function charts() {
  const samples = data.samples.map((sample) => ({ ...sample, seconds: sample.at_ms / 1000, cpu_seconds: sample.cpu_ms / 1000 }));
  if (samples.length < 2) return;
  byId("charts").replaceChildren();
  const of = (name) => samples.map((sample) => [sample.seconds, sample[name]]);
  const whole = (n) => grouped(Math.round(n));
  const rate = (clock) => samples.slice(1).map((sample, n) => {
    // Over several samples, so that one slow plan is no cliff.
    const before = samples[Math.max(0, n - 5)];
    return [sample.seconds, (sample.plans - before.plans) / Math.max(1e-3, sample[clock] - before[clock])];
  });
  const perSecond = (n) => (n < 10 ? n.toFixed(1) : whole(n));
  // Not every system can say them.
  const memory = of("memory").filter(([, bytes]) => bytes > 0);
  const isTimed = samples[samples.length - 1].cpu_seconds > 0;
  add(byId("charts"), {}, [
    chart("Plans", of("plans"), whole),
    chart("Plans a second", rate("seconds"), perSecond),
    isTimed && chart("Plans for each second of the processor", rate("cpu_seconds"), perSecond),
    memory.length > 1 && chart(data.shards ? "Memory of the largest shard" : "Memory in use", memory, (n) => `${(n / 2 ** 20).toFixed(1)} MB`),
    chart("Violations", of("violated"), whole, "bad"),
    chart("Sometimes reached", of("reached"), whole)]);
}

function rest() {
  const list = (title, items) => items.length > 0 && el("div", { class: "panel" }, el("h2", {}, title), el("ul", {}, items.map((item) => el("li", {}, item))));
  add(byId("rest"), {}, [
    list("Steps left out, which this target cannot make", data.left_out.map((of) => `${counted(of.count, "step")}: ${of.name}`)),
    list("Rules that were not asked", data.not_asked.map(unasked)),
    list("Plans that the harness could not judge", data.unjudged.map((of) => `${of.why} (${of.file})`))]);
}

head();
tiles();
violations();
heat();
sometimes();
charts();
rest();
addEventListener("resize", charts);
add(byId("foot"), {}, ["Held, violated, unknown: what the harness could not judge counts as neither."]);
