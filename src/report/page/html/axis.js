// Where events are along the axis, and which labels fit there.

const STEP_LEAST = 15.5;
const RECOVERY_LEAST = 124;
const END_ROOM = 14;

// The weight of the time or order between an event and the one before it.
const WEIGHTS = {
  order: (event) => (event.kind === "log" ? 0.35 : 1),
  compressed: (event, before) => Math.log2(1 + 8 * Math.max(0, event.at - before.at)) + 0.02,
  time: (event, before) => Math.max(0, event.at - before.at),
};

// The x of each event, and the width that they take. Steps keep room for their numbers, except
// where time is to scale. Events were recorded in an order that is not quite that of their times.
function positions(all, mode, width) {
  const weigh = WEIGHTS[mode];
  const order = [...all.keys()];
  if (mode !== "order") order.sort((a, b) => all[a].at - all[b].at || a - b);
  const events = order.map((index) => all[index]);
  const healed = order.indexOf(data.healed);
  const gaps = events.map((event, index) => (index ? weigh(event, events[index - 1]) : 0));
  const spans = [];
  events.forEach((event, index) => {
    if (!spans.length || event.kind === "step") spans.push({ from: index, weight: 0, least: index === healed ? RECOVERY_LEAST : STEP_LEAST });
    const span = spans[spans.length - 1];
    // The gap before an event is of the span that the event before it is in.
    if (index > span.from) span.weight += gaps[index];
    else if (spans.length > 1) spans[spans.length - 2].weight += gaps[index];
  });
  if (mode === "time") for (const span of spans) span.least = 0;
  const room = Math.max(width - END_ROOM, spans.reduce((sum, span) => sum + span.least, 0));
  share(spans, room);
  const x = new Float64Array(events.length);
  let start = 4;
  spans.forEach((span, n) => {
    const end = n + 1 < spans.length ? spans[n + 1].from : events.length;
    const scale = span.weight > 0 ? span.width / span.weight : 0;
    let at = start;
    for (let index = span.from; index < end; index++) {
      if (index > span.from) at += gaps[index] * scale;
      x[order[index]] = at;
    }
    start += span.width;
  });
  return { x, width: room + END_ROOM };
}

// Widths by weight, none below its least.
function share(spans, room) {
  let open = spans.slice();
  let left = room;
  for (;;) {
    const weight = open.reduce((sum, span) => sum + span.weight, 0);
    const narrow = open.filter((span) => weight === 0 || (span.weight / weight) * left < span.least);
    if (!narrow.length) {
      for (const span of open) span.width = (span.weight / weight) * left;
      return;
    }
    if (narrow.length === open.length) {
      const spare = (left - open.reduce((sum, span) => sum + span.least, 0)) / open.length;
      for (const span of open) span.width = span.least + spare;
      return;
    }
    for (const span of narrow) {
      span.width = span.least;
      left -= span.least;
    }
    open = open.filter((span) => !narrow.includes(span));
  }
}

// The width of a text in the timeline's label font.
const textWidth = (text) => text.length * 6.1 + 2;

// Numbers of steps; those that would overlap become a range: 3–7. `x` is where the
// step is, `at` where its number begins: left of it where the drawing ends.
function stepLabels(steps, x, end) {
  const labels = [];
  const place = (label) => {
    label.text = label.from === label.to ? `${label.from + 1}` : `${label.from + 1}–${label.to + 1}`;
    label.at = Math.min(label.x + 2, end - textWidth(label.text));
    label.free = label.at + textWidth(label.text) - 1;
    return label;
  };
  steps.forEach((step, index) => {
    if (step.event === null) return;
    labels.push(place({ x: x[step.event], from: index, to: index }));
    // A range is wider than a number, so it may reach its neighbour on the left in turn.
    while (labels.length > 1 && labels.at(-1).at < labels.at(-2).free) {
      const last = labels.pop();
      labels.at(-1).to = last.to;
      place(labels.at(-1));
    }
  });
  return labels;
}

// Times at events, as close as they fit. Those of events that were recorded late are not among them.
function timeLabels(events, x, width) {
  const labels = [];
  let free = 0;
  let latest = -1;
  events.forEach((event, index) => {
    if (event.at < latest) return;
    latest = event.at;
    if (x[index] < free) return;
    const text = clock(event.at);
    const last = labels[labels.length - 1];
    if (last && last.text === text) return;
    if (x[index] + textWidth(text) > width) return;
    labels.push({ x: x[index], text });
    free = x[index] + textWidth(text) + 34;
  });
  return labels;
}
