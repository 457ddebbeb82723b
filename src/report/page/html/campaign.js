// A campaign: how it went over time.

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

charts();
addEventListener("resize", charts);
