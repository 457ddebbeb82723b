// One run: its verdict, its filters, and the details of the chosen step.

const KINDS = ["queue", "agent", "git", "s3", "record", "container", "log"];
const KIND_NAMES = { s3: "S3" };
const ROWS = 300;

const state = {
  step: chosenAtFirst(), event: null, mode: "order", zoom: 1, client: "", session: "", text: "",
  kinds: new Set(KINDS), allSteps: false, onlyNews: false, rows: ROWS,
};
let drawn;

// The step that the address names.
function askedFor() {
  const asked = /^#step=(\d+|recovery)$/.exec(location.hash);
  if (!asked) return null;
  if (asked[1] === "recovery") return data.healed === null ? null : "recovery";
  return data.steps[asked[1] - 1] ? asked[1] - 1 : null;
}

function chosenAtFirst() {
  if (askedFor() !== null) return askedFor();
  if (data.verdict === "violated" && data.step !== null) return data.step;
  if (data.healed !== null) return "recovery";
  const begun = data.steps.findLastIndex((step) => step.event !== null);
  return begun < 0 ? null : begun;
}

const stepName = (step) => (step === "recovery" ? "recovery" : `step ${step + 1}`);
const stepOf = (event) => (event.step !== null ? event.step : data.healed !== null ? "recovery" : null);

function tools() {
  const chips = KINDS.map((kind) => el("button", {
    type: "button", class: "chip", "aria-pressed": "true", "data-kind": kind,
    onclick: (event) => {
      const on = !state.kinds.delete(kind);
      if (on) state.kinds.add(kind);
      event.currentTarget.setAttribute("aria-pressed", on);
      refresh();
    },
  }, svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, SHAPES[kind](5, 5)), KIND_NAMES[kind] || kind));
  const select = (name, values) => el("select", {
    "aria-label": name, id: `filter-${name}`,
    onchange: (event) => { state[name] = event.target.value; refresh(); },
  }, el("option", { value: "" }, `every ${name}`), values.map((value) => el("option", { value }, value)));
  const distinct = (name) => [...new Set(data.lanes.map((lane) => lane[name]).filter(Boolean))];
  const modes = {
    order: ["order", "Events in their order, each with room of its own"],
    compressed: ["compressed", "Time, with long waits made short"],
    time: ["to scale", "Time to scale"],
  };
  const axis = Object.entries(modes).map(([mode, [text, title]]) => el("button", {
    type: "button", title, "aria-pressed": mode === state.mode, "data-mode": mode,
    onclick: () => {
      state.mode = mode;
      for (const button of axis) button.setAttribute("aria-pressed", button.dataset.mode === mode);
      redraw();
    },
  }, text));
  const zoom = (text, label, to) => el("button", {
    type: "button", "aria-label": label, title: label, onclick: () => { state.zoom = to(state.zoom); redraw(); },
  }, text);
  byId("tools").append(
    el("div", { class: "group", role: "group", "aria-label": "Kinds of event" }, chips),
    el("div", { class: "group" }, select("client", distinct("client")), select("session", distinct("session")),
      el("input", {
        type: "search", id: "filter-text", placeholder: "text in events", "aria-label": "Text in events",
        oninput: (event) => { state.text = event.target.value.toLowerCase(); refresh(); },
      }),
      el("span", { class: "muted", id: "count" })),
    el("div", { class: "group end" },
      el("span", { class: "switch", role: "group", "aria-label": "Time axis" }, axis),
      el("span", { class: "switch", role: "group", "aria-label": "Zoom" },
        zoom("−", "Narrower", (z) => Math.max(1, z / 2)), zoom("fit", "Fit the width", () => 1), zoom("+", "Wider", (z) => Math.min(64, z * 2)))),
  );
}

function isVisible(event) {
  if (event.kind === "step") return true;
  if (!state.kinds.has(event.kind)) return false;
  const lane = data.lanes[event.lane];
  if (state.client && lane.client !== state.client) return false;
  if (state.session && lane.session !== state.session) return false;
  return !state.text || `${event.who} ${event.text}`.toLowerCase().includes(state.text);
}

const isFiltered = () => state.client || state.session || state.text || state.kinds.size < KINDS.length;

const on = {
  choose: (step, event = null) => {
    if (step === null) step = data.healed !== null ? "recovery" : state.step;
    state.step = step;
    state.event = event;
    state.rows = ROWS;
    if (step !== null) history.replaceState(null, "", `#step=${step === "recovery" ? step : step + 1}`);
    redraw();
    details();
  },
  enter: (mark) => {
    const lines = mark.events.slice(0, 8).map((index) => {
      const event = data.events[index];
      return el("div", {}, el("span", { class: "when" }, `${event.at.toFixed(3)} s  ${event.who}  `), event.text);
    });
    const more = mark.events.length - lines.length;
    tip(mark.node.getBoundingClientRect(), lines, more > 0 && el("div", { class: "when" }, `and ${more} more here; zoom in to part them`));
  },
  enterBar: (bar, x, y) => {
    const from = data.events[bar.from].at;
    const to = bar.to === null ? null : data.events[bar.to].at;
    const time = to === null ? `from ${from.toFixed(3)} s to the end` : `${from.toFixed(3)} s to ${to.toFixed(3)} s (${clock(to - from)})`;
    const box = drawn.root.getBoundingClientRect();
    tip({ left: Math.max(box.left + x, drawn.scroller.getBoundingClientRect().left), bottom: box.top + y + 14, top: box.top + y }, el("div", {}, bar.title), el("div", { class: "when" }, time));
  },
  enterSteps: (label) => {
    const box = drawn.root.getBoundingClientRect();
    const lines = [];
    for (let n = label.from; n <= label.to; n++) lines.push(el("div", {}, `${n + 1}  ${data.steps[n].text}`));
    tip({ left: box.left + label.x, bottom: box.top + 34, top: box.top + 16 }, lines);
  },
  leave: () => { byId("tip").hidden = true; },
};

function tip(near, ...content) {
  const node = byId("tip");
  node.replaceChildren(...content.flat().filter(Boolean));
  node.hidden = false;
  const box = node.getBoundingClientRect();
  node.style.left = `${Math.max(4, Math.min(near.left, innerWidth - box.width - 8))}px`;
  const below = near.bottom + 8;
  node.style.top = `${below + box.height > innerHeight ? Math.max(4, near.top - box.height - 8) : below}px`;
}

// The keys of the timeline: one stop for Tab, arrows from mark to mark.
function move(event) {
  const now = drawn.marks.indexOf(drawn.current);
  const marks = drawn.marks;
  if (event.key === "Enter" && drawn.current) {
    const face = data.events[drawn.current.face];
    on.choose(stepOf(face), drawn.current.face);
    byId("timeline").querySelector("svg").focus();
    return;
  }
  if (event.key === "Escape") return on.leave();
  const way = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 2, ArrowUp: -2 }[event.key];
  if (!way || !marks.length) return;
  event.preventDefault();
  let next = marks[0];
  if (drawn.current && Math.abs(way) === 1) {
    next = marks[now + way];
    if (!next || next.y !== drawn.current.y) next = drawn.current;
  } else if (drawn.current) {
    const rows = [...new Set(marks.map((mark) => mark.y))];
    const row = rows[rows.indexOf(drawn.current.y) + way / 2];
    const inRow = marks.filter((mark) => mark.y === row);
    next = inRow.sort((a, b) => Math.abs(a.x - drawn.current.x) - Math.abs(b.x - drawn.current.x))[0] || drawn.current;
  }
  if (drawn.current) drawn.current.node.classList.remove("current");
  drawn.current = next;
  next.node.classList.add("current");
  const { scroller } = drawn;
  if (next.x < scroller.scrollLeft || next.x > scroller.scrollLeft + scroller.clientWidth) {
    scroller.scrollLeft = next.x - scroller.clientWidth / 2;
  }
  on.enter(next);
  byId("live").textContent = byId("tip").textContent;
}

const explained = (step) => data.explanation && data.explanation.steps.find((of) => of.step === (step === "recovery" ? null : step));

// What happens when the step is left out: in a word, and in a sentence.
function without(step) {
  const of = explained(step);
  if (!of || !of.without) return null;
  const { also, outcome: { outcome, violation, why } } = of.without;
  const gone = [step, ...also].map((index) => index + 1);
  const first = gone.length > 1 ? `Without steps ${gone.join(", ")} (which make no sense without the first)` : "Without this step";
  if (outcome === "holds") return ["needed", `${first} every rule holds.`];
  if (outcome === "same") return ["not needed", `${first} the same is violated.`];
  if (outcome === "other") return [`without it: ${violation.rule}`, `${first} ${violation.rule} (${violation.kind}) is violated: ${violation.observed}.`];
  return ["unclear", `${first} the harness could not judge: ${why}.`];
}

function planPanel() {
  const ofPlan = data.plan.split("\n").filter((line) => line.startsWith("session "));
  const violated = (step) => data.verdict === "violated" && data.step === step;
  const item = (step, text, kind, extra) => el("li", {}, el("button", {
    type: "button", class: `step ${kind}${violated(step === "recovery" ? null : step) ? " violated" : ""}${extra ? " left-out" : ""}`,
    "aria-current": state.step === step, onclick: () => on.choose(step),
  }, el("span", { class: "n" }, step === "recovery" ? "" : step + 1), el("span", { class: "t" }, text),
  without(step) && el("span", { class: "without", title: without(step)[1] }, without(step)[0]),
  extra && el("span", { class: "why" }, `left out: ${extra}`),
  violated(step === "recovery" ? null : step) && el("span", { class: "why" }, "violated here")));
  byId("plan").replaceChildren(
    el("div", { class: "title" }, el("h2", {}, `Plan, ${data.steps.length} steps`), copyPlan()),
    el("div", { class: "body" }, el("ol", {},
      ofPlan.map((line) => el("li", { class: "session mono" }, line)),
      data.steps.map((step, index) => item(index, step.text, step.kind, step.left_out)),
      data.healed !== null && item("recovery", "(all healed; recovery)", "heal"))),
  );
  const current = byId("plan").querySelector("[aria-current=true]");
  if (current) {
    const body = byId("plan").querySelector(".body");
    body.scrollTop = current.offsetTop - body.offsetTop - body.clientHeight / 2;
  }
}

function copyPlan() {
  const button = el("button", {
    type: "button",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(data.plan);
        button.textContent = "copied";
      } catch {
        button.textContent = "no clipboard";
      }
    },
  }, "copy");
  return button;
}

function modelPanel() {
  const key = state.step === "recovery" ? null : state.step;
  const at = data.looks.findIndex((look) => look.after === key);
  const look = data.looks[at];
  const go = (by, label, text) => el("button", {
    type: "button", "aria-label": label, title: label, disabled: !data.looks[at + by],
    onclick: () => { const to = data.looks[at + by].after; on.choose(to === null ? "recovery" : to); },
  }, text);
  const before = new Map((at > 0 ? data.looks[at - 1].rows : []).map((row) => [row.about, row.expected + row.observed]));
  const isNew = (row) => before.get(row.about) !== row.expected + row.observed;
  const isHere = data.verdict === "violated" && data.step === key;
  const isThen = isHere && data.violating !== null;
  const rows = look ? look.rows.filter((row) => !state.onlyNews || isNew(row) || row.agrees !== "agrees") : [];
  rows.sort((a, b) => (b.agrees === "differs") - (a.agrees === "differs"));
  const gone = state.step !== null && without(state.step);
  const where = isThen ? "at the violation" : state.step === null ? "" : state.step === "recovery" ? (data.violating === null ? "after recovery" : "while it recovered") : `after step ${state.step + 1}`;
  byId("model").replaceChildren(
    el("div", { class: "title" },
      el("h2", {}, where ? `Model against observation, ${where}` : "Model against observation"),
      el("label", {}, el("input", { type: "checkbox", checked: state.onlyNews, id: "only-news", onchange: (event) => { state.onlyNews = event.target.checked; modelPanel(); } }), "only news"),
      el("span", { class: "switch" }, go(-1, "The step before", "‹"), go(1, "The next step", "›"))),
    el("div", { class: "body", tabindex: 0, role: "region", "aria-label": "What the model expects and what was observed" },
      isHere && el("div", { class: "verdict" }, el("b", {}, `✗ ${data.rule} is violated here`), isThen ? ", by the last event. The table has what was expected before it, and what is seen after it." : "."),
      gone && el("p", { class: "explained" }, gone[1]),
      look && look.faults.length > 0 && el("div", { class: "faults" }, `Active faults: ${look.faults.join(", ")}`),
      look ? el("table", {},
        el("thead", {}, el("tr", {}, el("th", {}, `at ${look.at.toFixed(1)} s`), el("th", {}, "the model expects"), el("th", {}, "observed so far"))),
        el("tbody", {}, rows.map((row) => el("tr", { class: `${row.agrees}${isNew(row) ? " changed" : ""}` },
          el("td", {}, row.about), el("td", {}, marked(row.expected)), el("td", {}, marked(row.observed))))))
        : el("p", { class: "legend" }, state.step === null ? "No step was begun." : "The run ended before this step."),
      look && el("p", { class: "legend" }, "✓ as expected · … to come true yet · ✗ should have come true · a bar at the left: news of this step")),
  );
}

// Events that changed what is expected or known, by the explanation.
const matters = new Set((data.explanation ? data.explanation.steps : []).flatMap((step) => step.events));
// Those that the violation depends on, and the one that violates.
const decisive = new Set([...(data.explanation ? data.explanation.decisive : []), data.violating]);

function eventsPanel(visible) {
  const wanted = visible.filter((index) => state.allSteps || stepOf(data.events[index]) === state.step);
  const rows = [];
  let step;
  for (const index of wanted.slice(0, state.rows)) {
    const event = data.events[index];
    if (event.kind === "step" && !state.allSteps) continue;
    if (state.allSteps && stepOf(event) !== step) {
      step = stepOf(event);
      const text = step === null ? "before the first step" : step === "recovery" ? "recovery" : `${step + 1}  ${data.steps[step].text}`;
      rows.push(el("tr", { class: "divider" }, el("td", { colspan: 3, style: "text-align:left" }, text)));
    }
    if (event.kind === "step") continue;
    const classes = `${event.tone}${index === state.event ? " current" : ""}${decisive.has(index) ? " violating" : ""}${matters.has(index) ? " matters" : ""}`;
    rows.push(el("tr", { class: classes, "data-event": index, onclick: () => on.choose(stepOf(event), index) },
      el("td", {}, event.at.toFixed(3)), el("td", {}, event.who), el("td", {}, el("div", { class: "clamp" }, SIGNS[event.tone], marked(event.text), index === data.violating && el("b", {}, " (this violates the rule)")))));
  }
  const left = wanted.length - state.rows;
  byId("events").replaceChildren(
    el("div", { class: "title" },
      el("h2", {}, state.allSteps ? "Events" : state.step === null ? "Events" : `Events, ${stepName(state.step)}`),
      el("label", {}, el("input", { type: "checkbox", checked: state.allSteps, id: "all-steps", onchange: (event) => { state.allSteps = event.target.checked; state.rows = ROWS; details(); } }), "all steps")),
    el("div", { class: "body", tabindex: 0, role: "region", "aria-label": "Events in their order" }, rows.length ? el("table", {}, el("colgroup", {}, el("col", { class: "when" }), el("col", { class: "who" }), el("col")), el("tbody", {}, rows)) : el("p", { class: "legend" }, isFiltered() ? "No event that the filters let through." : "No event in this step."),
      left > 0 && el("button", { type: "button", class: "more", onclick: () => { state.rows += 10 * ROWS; details(); } }, `${grouped(left)} more`)),
  );
  const current = byId("events").querySelector(".current, .violating");
  if (current) {
    const body = byId("events").querySelector(".body");
    body.scrollTop = current.offsetTop - body.clientHeight / 2;
  }
}

const visibleEvents = () => [...data.events.keys()].filter((index) => isVisible(data.events[index]));

function redraw() {
  on.leave();
  drawn = draw(byId("timeline"), state, visibleEvents(), on);
  drawn.root.addEventListener("keydown", move);
  drawn.root.addEventListener("blur", on.leave);
  const shown = state.event !== null && drawn.marks.find((mark) => mark.events.includes(state.event));
  if (shown) {
    drawn.current = shown;
    shown.node.classList.add("current");
  }
}

function details() {
  planPanel();
  modelPanel();
  eventsPanel(visibleEvents());
}

function refresh() {
  const some = data.events.filter((event) => event.kind !== "step" && isVisible(event)).length;
  const all = `${grouped(data.events.length)} event${data.events.length === 1 ? "" : "s"}`;
  byId("count").textContent = isFiltered() ? `${grouped(some)} of ${all}` : all;
  redraw();
  details();
}

for (const id of ["tools", "timeline"]) byId(id).hidden = false;
tools();
refresh();
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
addEventListener("hashchange", () => { if (askedFor() !== null) on.choose(askedFor()); });
// The width of a landscape page, A4 or letter, where everything is drawn a fifth smaller.
addEventListener("beforeprint", () => { byId("slices").replaceChildren(...slices(1200)); });
addEventListener("afterprint", () => { byId("slices").replaceChildren(); });
