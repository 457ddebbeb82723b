// The drawing: lanes of bars and marks over the axis.

const AXIS = { notes: 15, steps: 19, times: 17 };
AXIS.height = AXIS.notes + AXIS.steps + AXIS.times;
const FAULT_ROW = 16;
const BUCKET = 8;
// Where bars, marks and log lines are in a lane, from its top.
const LANES = {
  breaker: { height: 30, bar: [3, 13], mark: 23 },
  container: { height: 29, bar: [2, 10], mark: 16.5, log: 25 },
  site: { height: 25, bar: [2, 11], mark: 19 },
  session: { height: 34, bar: [3, 12], mark: 20, log: 29.5 },
  branch: { height: 26, bar: [2, 11], mark: 19 },
};
const LABELS = { breaker: 0, session: 10, branch: 22, container: 0, site: 0 };
const WORST = { plain: 0, good: 1, odd: 2, bad: 3 };

const SHAPES = {
  queue: (x, y) => svg("circle", { cx: x, cy: y, r: 3.4 }),
  agent: (x, y) => svg("path", { d: `M${x} ${y - 4}l4 7h-8z` }),
  git: (x, y) => svg("path", { d: `M${x} ${y - 4.2}l4.2 4.2l-4.2 4.2l-4.2 -4.2z` }),
  s3: (x, y) => svg("rect", { x: x - 3, y: y - 3, width: 6, height: 6 }),
  record: (x, y) => svg("path", { d: `M${x - 3.4} ${y - 3.2}h6.8v1.8h-6.8zm0 4.4h6.8v1.8h-6.8z` }),
  container: (x, y) => svg("path", { d: `M${x - 1.2} ${y - 3.6}h2.4v2.4h2.4v2.4h-2.4v2.4h-2.4v-2.4h-2.4v-2.4h2.4z` }),
  log: (x, y) => svg("rect", { x: x - 1, y: y - 2.5, width: 2, height: 5 }),
};

// What a mark is to be taken for, beside its colour: failed ones are crossed out.
const crossed = ({ tone, kind }, x, y) => tone === "bad" && (kind === "log"
  ? svg("path", { class: "cross log", d: `M${x - 2.5} ${y - 2.5}l5 5m0 -5l-5 5` })
  : svg("path", { class: "cross", d: `M${x - 2.2} ${y - 2.2}l4.4 4.4m0 -4.4l-4.4 4.4` }));
const SIGNS = { plain: "", good: "✓ ", odd: "! ", bad: "✗ " };
const named = (bar) => (bar.kind === "fault" || bar.kind === "breaker" ? bar.label : SIGNS[bar.tone] + bar.label);

// Faults in rows, so that neither bars nor their names overlap.
function packed(bars, span) {
  const rows = [];
  for (const bar of bars) {
    const [from, to] = span(bar);
    const text = textWidth(bar.label) + 6;
    // A name that does not fit is put behind its bar.
    const end = to - from < text ? to + text : to;
    let row = rows.findIndex((free) => free <= from);
    if (row < 0) row = rows.push(0) - 1;
    rows[row] = end + 3;
    bar.row = row;
  }
  return Math.max(1, rows.length);
}

// Lanes that the filters leave, with the place of each.
function layout(filter, faultRows) {
  const shown = new Map();
  let top = AXIS.height;
  let client;
  data.lanes.forEach((lane, index) => {
    if (lane.kind === "tester") return;
    if (lane.client && filter.client && lane.client !== filter.client) return;
    if (lane.session && filter.session && lane.session !== filter.session) return;
    const ofAnother = filter.session && lane.client && !filter.session.startsWith(`${lane.client}/`);
    if (ofAnother) return;
    const form = LANES[lane.kind] || { height: faultRows * FAULT_ROW + 6 };
    const begins = Boolean(lane.client) && lane.client !== client;
    client = lane.client;
    shown.set(index, { lane, form, top, begins });
    top += form.height;
  });
  return { shown, height: top + 4 };
}

// Marks, near ones of a lane taken together; the worst is the one that is seen.
function gather(visible, x, shown) {
  const buckets = new Map();
  const put = (index, lane) => {
    const place = shown.get(lane);
    const event = data.events[index];
    if (!place || event.kind === "step") return;
    const isLog = event.kind === "log" && place.form.log !== undefined;
    const y = place.top + (isLog ? place.form.log : place.form.mark);
    const key = `${lane} ${isLog} ${Math.floor(x[index] / BUCKET)}`;
    const bucket = buckets.get(key);
    if (bucket) {
      bucket.events.push(index);
      if (WORST[event.tone] > WORST[data.events[bucket.face].tone]) bucket.face = index;
    } else {
      buckets.set(key, { lane, x: (Math.floor(x[index] / BUCKET) + 0.5) * BUCKET, y, face: index, events: [index] });
    }
  };
  for (const index of visible) {
    const event = data.events[index];
    put(index, event.lane);
    if (event.also !== undefined) put(index, event.also);
  }
  return [...buckets.values()].sort((a, b) => a.y - b.y || a.x - b.x);
}

// Draws the timeline into a scrolling box; returns what was drawn, to be found again.
function draw(box, state, visible, on) {
  const outer = Math.max(400, box.clientWidth - 172);
  const axis = positions(data.events, state.mode, Math.floor(outer * state.zoom) - 2);
  const { x, width } = axis;
  const end = width - 6;
  const span = (bar) => [x[bar.from] || 0, bar.to === null ? end : x[bar.to]];
  const faults = data.bars.filter((bar) => bar.kind === "fault").sort((a, b) => a.from - b.from);
  const { shown, height } = layout(state, packed(faults, span));
  const root = svg("svg", {
    width, height, viewBox: `0 0 ${width} ${height}`, tabindex: 0, role: "group",
    "aria-label": "Timeline. Left and right go along a lane, up and down change it, Enter chooses the step.",
  });
  const labels = el("div", { class: "labels", style: `height:${height}px` });
  background(root, labels, shown, x, end, height, state);
  for (const bar of data.bars) {
    const place = shown.get(bar.lane);
    if (place) root.append(drawBar(bar, place, span(bar), end, on));
  }
  const marks = gather(visible, x, shown);
  for (const mark of marks) {
    const face = data.events[mark.face];
    mark.node = svg("g", { class: `mark ${face.tone}${mark.events.length > 1 ? " many" : ""}${mark.events.some((index) => decisive.has(index)) ? " violating" : ""}` }, SHAPES[face.kind](mark.x, mark.y), crossed(face, mark.x, mark.y));
    mark.node.addEventListener("mouseenter", () => on.enter(mark));
    mark.node.addEventListener("mouseleave", on.leave);
    mark.node.addEventListener("click", () => on.choose(face.step, mark.face));
    root.append(mark.node);
  }
  axisLabels(root, x, end, height, on);
  const scroller = el("div", { class: "scroller" }, root);
  const at = box.querySelector(".scroller");
  const center = at ? (at.scrollLeft + at.clientWidth / 2) / at.scrollWidth : 0;
  box.replaceChildren(el("div", { class: "lanes" }, labels, scroller));
  scroller.scrollLeft = state.zoom === 1 ? 0 : center * width - scroller.clientWidth / 2;
  return { root, marks, x, scroller, labels };
}

function background(root, labels, shown, x, end, height, state) {
  if (data.healed !== null) {
    root.append(svg("rect", { class: "recovery", x: x[data.healed], y: 0, width: Math.max(0, end - x[data.healed]), height }));
  }
  const [from, to] = extent(state.step, x, end);
  if (from !== undefined) {
    root.append(svg("rect", { class: "chosen", x: from, y: AXIS.notes, width: Math.max(3, to - from), height: height - AXIS.notes }));
  }
  labels.append(
    el("div", { class: "label axis", style: `top:${AXIS.notes}px;height:${AXIS.steps}px` }, "step"),
    el("div", { class: "label axis", style: `top:${AXIS.notes + AXIS.steps}px;height:${AXIS.times}px` }, "system's time"),
  );
  for (const { lane, form, top, begins } of shown.values()) {
    root.append(svg("line", { class: begins ? "edge strong" : "edge", x1: 0, x2: end + 6, y1: top, y2: top }));
    const label = el("div", {
      class: `label ${lane.kind}${begins ? " begins" : ""}`, title: lane.label,
      style: `top:${top}px;height:${form.height}px;padding-left:${10 + (LABELS[lane.kind] || 0)}px`,
    }, lane.label);
    label.dataset.kind = lane.kind;
    labels.append(label);
  }
}

// From where to where a step goes; "recovery" is one, too.
function extent(step, x, end) {
  if (step === "recovery") return data.healed === null ? [] : [x[data.healed], end];
  if (step === null || !data.steps[step] || data.steps[step].event === null) return [];
  const later = data.steps.slice(step + 1).find((next) => next.event !== null);
  const next = later ? later.event : data.healed;
  return [x[data.steps[step].event], next === null ? end : x[next]];
}

function drawBar(bar, place, [from, to], end, on) {
  const width = Math.max(2, to - from);
  const isFault = bar.kind === "fault";
  const [top, bottom] = isFault ? [3 + bar.row * FAULT_ROW, 3 + bar.row * FAULT_ROW + 13] : place.form.bar;
  const y = place.top + top;
  const group = svg("g", { class: `bar ${bar.kind} ${bar.tone}` },
    svg("rect", { x: from, y, width, height: bottom - top, rx: 2 }));
  const name = named(bar);
  const fits = textWidth(name) + 4 <= width;
  if (fits || (isFault && from + width + textWidth(bar.label) < end)) {
    group.append(svg("text", { class: fits ? "name" : "name behind", x: fits ? from + 3 : from + width + 3, y: y + (bottom - top) - (isFault ? 3 : 1.5) }, name));
  }
  group.addEventListener("mouseenter", () => on.enterBar(bar, from, y));
  group.addEventListener("mouseleave", on.leave);
  return group;
}

function axisLabels(root, x, end, height, on) {
  for (const label of stepLabels(data.steps, x, end + 6)) {
    const kind = data.steps[label.from].kind;
    root.append(
      svg("line", { class: `tick ${kind}`, x1: label.x, x2: label.x, y1: AXIS.notes + 2, y2: AXIS.notes + AXIS.steps }),
      svg("line", { class: "guide", x1: label.x, x2: label.x, y1: AXIS.height, y2: height }),
      svg("text", {
        class: `number ${kind}`, x: label.at, y: AXIS.notes + 13,
        onclick: () => on.choose(label.from),
        onmouseenter: () => on.enterSteps(label), onmouseleave: on.leave,
      }, label.text),
    );
  }
  for (const label of timeLabels(data.events, x, end)) {
    root.append(svg("text", { class: "time", x: label.x + 2, y: AXIS.notes + AXIS.steps + 12 }, label.text));
  }
  const violated = data.verdict === "violated";
  const at = violated && (data.violating === null ? end : x[data.violating] + 0.5);
  if (violated) {
    const isRight = at > end - 60;
    root.append(
      svg("line", { class: "violation", x1: at, x2: at, y1: 2, y2: height }),
      svg("path", { class: "violation-flag", d: isRight ? `M${at} 1h-62v13h62z` : `M${at} 1h62v13h-62z` }),
      svg("text", { class: "violation-name", x: isRight ? at - 59 : at + 4, y: 11 }, "violation"),
    );
  }
  if (data.healed !== null) {
    const from = x[data.healed];
    const taken = violated ? (at > end - 60 ? at - 64 : at - 2) : end;
    if (taken - from > 54) root.append(svg("text", { class: "note", x: from + 4, y: 11 }, "recovery"));
  }
}

// The whole drawing in pieces as wide as a page, for print.
function slices(width) {
  const room = width - 172;
  const whole = Number(drawn.root.getAttribute("width"));
  const height = Number(drawn.root.getAttribute("height"));
  const pieces = [];
  for (let from = 0; from < whole; from += room) {
    const piece = drawn.root.cloneNode(true);
    const part = Math.min(room, whole - from);
    add(piece, { width: part, viewBox: `${from} 0 ${part} ${height}`, role: "img", "aria-label": `Timeline, part ${pieces.length + 1}` }, []);
    piece.removeAttribute("tabindex");
    pieces.push(el("div", { class: "lanes" }, drawn.labels.cloneNode(true), piece));
  }
  return pieces;
}
