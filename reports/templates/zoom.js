// Zoom: drag over a chart, or use its buttons or the keys + - 0 and arrows; a double click shows all again.
{
  const make = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  // Calls `done` with the corners, in units of the viewBox, of what was dragged over.
  const onDrag = (svg, done) => {
    let from = null;
    const frame = make("rect", { class: "frame" });
    const place = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      from = place(event);
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (!from) return;
      const to = place(event);
      const box = { x: Math.min(from.x, to.x), y: Math.min(from.y, to.y), width: Math.abs(to.x - from.x), height: Math.abs(to.y - from.y) };
      for (const [key, value] of Object.entries(box)) frame.setAttribute(key, value);
      svg.append(frame);
    });
    const end = (event) => {
      frame.remove();
      if (from && event.type === "pointerup") done(from, place(event));
      from = null;
    };
    svg.addEventListener("pointerup", end);
    svg.addEventListener("pointercancel", end);
  };

  // An axis of a chart: where it lies on the paper, what of it is shown, and round numbers in between.
  class Axis {
    constructor(words, start, end) {
      const [kind, low, high] = words.split(" ");
      Object.assign(this, { kind, low: Number(low), high: Number(high), start, end, from: start, to: end });
    }
    get zoomed() { return this.from !== this.start || this.to !== this.end; }
    put(place) { return this.start + (place - this.from) * (this.end - this.start) / (this.to - this.from); }
    holds(place) { return (place - this.start) * (place - this.end) <= 1e-6; }
    show(from, to) {
      const [least, most] = [Math.min(this.start, this.end), Math.max(this.start, this.end)];
      const size = Math.min(Math.abs(to - from), most - least);
      const low = Math.min(Math.max(Math.min(from, to), least), most - size);
      [this.from, this.to] = this.start < this.end ? [low, low + size] : [low + size, low];
    }
    scale(factor) {
      const middle = (this.from + this.to) / 2, half = (this.to - this.from) / 2 / factor;
      this.show(middle - half, middle + half);
    }
    move(share) {
      const step = share * (this.to - this.from);
      this.show(this.from + step, this.to + step);
    }
    value(place) {
      const share = (place - this.start) / (this.end - this.start);
      return this.kind === "log" ? this.low * (this.high / this.low) ** share : this.low + share * (this.high - this.low);
    }
    place(value) {
      const share = this.kind === "log" ? Math.log(value / this.low) / Math.log(this.high / this.low) : (value - this.low) / (this.high - this.low);
      return this.start + share * (this.end - this.start);
    }
    ticks() {
      if (this.kind !== "log" && this.kind !== "linear") return [];
      const [low, high] = [this.value(this.from), this.value(this.to)];
      const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
      const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
      const found = [];
      for (let at = Math.ceil(low / step); at * step <= high && found.length < 12; at += 1) found.push(Number((at * step).toPrecision(6)));
      return found;
    }
  }
  const label = (value) => Math.abs(value) >= 10000 ? `${Number((value / 1000).toPrecision(4))}k` : String(value);

  // A chart of matplotlib's: its parts are moved by their coordinates, so that lines and texts keep their size.
  class Chart {
    constructor(svg) {
      const [left, top, right, bottom] = svg.dataset.box.split(" ").map(Number);
      Object.assign(this, { svg, x: new Axis(svg.dataset.x, left, right), y: new Axis(svg.dataset.y, bottom, top), top });
      this.parts = null;
    }
    collect() {
      const sides = (node) => [!node.closest(".axis-y"), !node.closest(".axis-x")];
      const marks = [...this.svg.querySelectorAll("g:not(.axis-tick) > use, g[clip-path] > use")].filter((use) => !use.closest(".axis-tick"));
      this.parts = [];
      for (const path of this.svg.querySelectorAll("path[clip-path]")) {
        this.parts.push({ path, sides: sides(path), d: path.getAttribute("d").match(/[A-Z]|-?[\d.]+/gi) });
      }
      for (const use of this.svg.querySelectorAll("use")) {
        this.parts.push({ use, sides: sides(use), at: ["x", "y"].map((name) => Number(use.getAttribute(name))) });
      }
      for (const text of this.svg.querySelectorAll("text")) {
        const at = ["x", "y"].map((name) => Number(text.getAttribute(name)));
        const tick = text.closest(".axis-tick");
        if (!tick && (text.closest(".axis-x, .axis-y") || at[1] < this.top)) continue; // the names of the axes stay
        const near = tick ? null : this.nearest(marks, at);
        this.parts.push({ group: text.parentNode, tick, sides: sides(text), at: near ?? at });
      }
    }
    nearest(marks, [x, y]) {
      const far = (use) => Math.hypot(use.getAttribute("x") - x, use.getAttribute("y") - y);
      const best = marks.reduce((least, use) => !least || far(use) < far(least) ? use : least, null);
      return best && far(best) < 40 ? ["x", "y"].map((name) => Number(best.getAttribute(name))) : null;
    }
    draw() {
      if (!this.parts) this.collect();
      this.svg.querySelectorAll(".new-tick").forEach((tick) => tick.remove());
      const put = ([across, up], [x, y]) => [across ? this.x.put(x) : x, up ? this.y.put(y) : y];
      for (const part of this.parts) {
        if (part.path) {
          let odd = 0, kept = 0;
          part.path.setAttribute("d", part.d.map((word) => {
            if (/[A-Z]/i.test(word)) return word;
            odd += 1;
            if (odd % 2) { kept = word; return ""; }
            return put(part.sides, [Number(kept), Number(word)]).map((each) => each.toFixed(2)).join(" ");
          }).join(" "));
        } else if (part.use) {
          const [x, y] = put(part.sides, part.at);
          part.use.setAttribute("x", x);
          part.use.setAttribute("y", y);
        } else {
          const [x, y] = put(part.sides, part.at);
          part.group.setAttribute("transform", `translate(${x - part.at[0]} ${y - part.at[1]})`);
          const seen = (!part.sides[0] || this.x.holds(x)) && (!part.sides[1] || this.y.holds(y));
          (part.tick ?? part.group).classList.toggle("out", !seen);
        }
      }
      for (const tipped of this.svg.querySelectorAll(".tip")) {
        const use = tipped.querySelector("use");
        if (use) tipped.classList.toggle("out", !this.x.holds(use.getAttribute("x")) || !this.y.holds(use.getAttribute("y")));
      }
      if (this.x.zoomed) this.addTicks("x");
      if (this.y.zoomed) this.addTicks("y");
    }
    addTicks(name) {
      const group = this.svg.querySelector(`.axis-${name}`), axis = this[name], other = name === "x" ? this.y : this.x;
      if (group.querySelectorAll(".axis-tick:not(.out)").length > 2) return;
      group.querySelectorAll(".axis-tick").forEach((tick) => tick.classList.add("out"));
      for (const value of axis.ticks()) {
        const at = axis.put(axis.place(value));
        const [line, text] = name === "x"
          ? [{ x1: at, x2: at, y1: other.start, y2: other.end }, { x: at, y: other.start + 15, "text-anchor": "middle" }]
          : [{ y1: at, y2: at, x1: other.start, x2: other.end }, { x: other.start - 4, y: at + 4, "text-anchor": "end" }];
        const tick = make("g", { class: "new-tick" }), words = make("text", { class: "tick", ...text });
        words.textContent = label(value);
        tick.append(make("line", { class: "axis", ...line }), words);
        group.append(tick);
      }
    }
  }

  for (const figure of document.querySelectorAll("figure.zoomed")) {
    const svg = figure.querySelector("svg[data-box]"), caption = figure.querySelector("figcaption");
    if (!svg) continue;
    const chart = new Chart(svg), name = caption.textContent;
    const act = (change) => { change(); chart.draw(); hideTip(); tools.lastChild.hidden = !chart.x.zoomed && !chart.y.zoomed; };
    const scale = (factor) => act(() => { chart.x.scale(factor); chart.y.scale(factor); });
    const all = () => act(() => { chart.x.show(chart.x.start, chart.x.end); chart.y.show(chart.y.start, chart.y.end); });
    const tools = document.createElement("span");
    tools.className = "tools";
    for (const [text, words, run] of [["+", "Zoom in", () => scale(2)], ["−", "Zoom out", () => scale(0.5)], ["All", "Show all", all]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.setAttribute("aria-label", `${words}: ${name}`);
      button.addEventListener("click", run);
      tools.append(button);
    }
    tools.lastChild.hidden = true;
    caption.append(tools);
    onDrag(svg, (from, to) => {
      const wide = Math.abs(to.x - from.x) > 8, high = Math.abs(to.y - from.y) > 8;
      if (wide || high) act(() => { if (wide) chart.x.show(from.x, to.x); if (high) chart.y.show(from.y, to.y); });
    });
    svg.addEventListener("dblclick", all);
    figure.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: ["x", -0.2], ArrowRight: ["x", 0.2], ArrowUp: ["y", 0.2], ArrowDown: ["y", -0.2] };
      const run = { "+": () => scale(2), "=": () => scale(2), "-": () => scale(0.5), 0: all }[event.key];
      const move = (chart.x.zoomed || chart.y.zoomed) && moves[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey || (!run && !move)) return;
      event.preventDefault();
      if (run) run(); else act(() => chart[move[0]].move(move[1]));
    });
  }

  // The panels of a trial are zoomed over time, all together.
  for (const panels of document.querySelectorAll(".panels[data-start]")) {
    const start = Number(panels.dataset.start), span = Number(panels.dataset.end) - start;
    const show = (from, to) => {
      for (const svg of panels.querySelectorAll("svg")) {
        svg.setAttribute("viewBox", `${from} 0 ${to - from} 60`);
        svg.classList.toggle("cut", to - from < 300);
      }
      for (const ends of panels.querySelectorAll(".ends")) {
        ends.firstElementChild.textContent = `${Number((start + span * from / 300).toPrecision(3))} s`;
        ends.lastElementChild.textContent = `${Number((start + span * to / 300).toPrecision(3))} s`;
      }
    };
    for (const svg of panels.querySelectorAll("svg")) {
      onDrag(svg, (from, to) => {
        const [low, high] = [Math.max(0, Math.min(from.x, to.x)), Math.min(300, Math.max(from.x, to.x))];
        if (high - low > 2) show(low, high);
      });
      svg.addEventListener("dblclick", () => show(0, 300));
      svg.addEventListener("keydown", (event) => {
        const { x, width } = svg.viewBox.baseVal;
        if (event.key === "+") show(x + width / 4, x + 3 * width / 4);
        if (event.key === "-" || event.key === "0") show(0, 300);
      });
    }
  }
}
