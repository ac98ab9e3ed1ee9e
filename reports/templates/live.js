// The live page: asks for the state once a second, and draws the curve of ended trials and the course of the running one.
const $ = (id) => document.getElementById(id);
const say = (value, digits = 3) => value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumSignificantDigits: digits });
const clock = (seconds) => {
  if (seconds === null) return "";
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} left`;
};
const make = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};
let course = [], name = "", drawn = 0;
const scale = (values, size) => { const top = Math.max(...values, 1e-9); return (value) => 10 + (size - 20) * value / top; };

function drawCurve(trials) {
  const svg = $("curve"), seen = trials.filter((trial) => trial.rate_rps && trial.p99_ms);
  if (seen.length === drawn) return; // what is drawn keeps the focus
  drawn = seen.length;
  svg.replaceChildren();
  const x = scale(seen.map((trial) => trial.rate_rps), 600), y = scale(seen.map((trial) => trial.p99_ms), 240);
  seen.forEach((trial, place) => {
    const words = `${trial.name}: ${trial.text}`;
    const dot = make("circle", {
      cx: x(trial.rate_rps), cy: 240 - y(trial.p99_ms), r: 5, tabindex: 0, role: "img", "aria-label": words,
      class: place === seen.length - 1 ? "last" : "dot",
    });
    for (const when of ["pointerenter", "focus"]) dot.addEventListener(when, () => showTip(words, dot));
    for (const when of ["pointerleave", "blur"]) dot.addEventListener(when, hideTip);
    svg.append(dot);
  });
  $("curve-ends").textContent = `throughput to ${say(Math.max(...seen.map((trial) => trial.rate_rps)))}/s, p99 to ${say(Math.max(...seen.map((trial) => trial.p99_ms)))} ms`;
}

function drawCourse() {
  const svg = $("course");
  svg.replaceChildren();
  if (course.length < 2) return;
  const x = scale(course.map((each) => each.seconds), 600), y = scale(course.map((each) => each.rate), 160);
  svg.append(make("polyline", { points: course.map((each) => `${x(each.seconds)},${160 - y(each.rate)}`).join(" ") }));
}

function show(state) {
  $("name").textContent = state.interrupted ? "The run was interrupted" : state.ended ? "The run has ended" : state.name || "starting";
  $("place").textContent = [state.total === null ? `${state.done} trials` : `${state.done} of ${state.total} trials`, state.ended ? "the report is in the run directory" : clock(state.left_s)].filter(Boolean).join(", ");
  const now = state.running;
  if (state.name !== name) { course = []; name = state.name; }
  if (now) {
    const before = course[course.length - 1];
    if (before && now.seconds < before.seconds) course = [];
    const last = course[course.length - 1], answered = now.rate_rps * now.seconds;
    if (!last || now.seconds > last.seconds) {
      const rate = last ? Math.max(0, (answered - last.answered) / (now.seconds - last.seconds)) : now.rate_rps;
      course.push({ seconds: now.seconds, answered, rate });
    }
  }
  $("rate").textContent = say(now && now.rate_rps);
  $("p50").textContent = say(now && now.p50_ms);
  $("p99").textContent = say(now && now.p99_ms);
  $("failed").textContent = now ? now.failed : "–";
  $("cpu-target").textContent = say(now && now.cpu_cores.target, 2);
  $("cpu-load").textContent = say(now && now.cpu_cores.load, 2);
  $("lines").replaceChildren(...state.lines.slice(-30).reverse().map((text) => { const item = document.createElement("li"); item.textContent = text; return item; }));
  drawCurve(state.trials);
  drawCourse();
}

async function ask() {
  try {
    const state = await (await fetch("/state")).json();
    show(state);
    if (state.ended) return;
  } catch {
    $("place").textContent = "the run has ended, or does not respond; its report is in the run directory";
  }
  setTimeout(ask, 1000);
}
ask();
