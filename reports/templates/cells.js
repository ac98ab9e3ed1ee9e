// The numbers behind histograms, maps over time and timelines: at the pointer, and by the arrow keys.
{
  const short = (value) => String(Number(value.toPrecision(3)));
  // `grid` has columns, rows and words(column, row); `area` is what of the viewBox they fill.
  const explore = (svg, grid) => {
    let at = null;
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    cursor.setAttribute("class", "cursor");
    svg.querySelector(":scope > title")?.remove();
    const put = (column, row) => {
      at = [Math.min(Math.max(column, 0), grid.columns - 1), Math.min(Math.max(row, 0), grid.rows - 1)];
      const words = grid.words(...at);
      const width = grid.width / grid.columns, height = grid.height / grid.rows;
      const box = { x: at[0] * width, y: grid.height - (at[1] + 1) * height, width, height };
      for (const [name, value] of Object.entries(box)) cursor.setAttribute(name, value);
      svg.append(cursor);
      showTip(words, cursor);
    };
    const leave = () => { cursor.remove(); hideTip(); };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
      const x = view.x + view.width * (event.clientX - box.left) / box.width;
      const y = 1 - (event.clientY - box.top) / box.height;
      put(Math.floor(grid.columns * x / grid.width), Math.floor(grid.rows * y));
    });
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("focus", () => { if (svg.matches(":focus-visible")) put(...(at ?? grid.start ?? [0, 0])); });
    svg.addEventListener("blur", leave);
    svg.addEventListener("keydown", (event) => {
      const [right, up] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
      if (right === undefined || !at || (grid.rows === 1 && up)) return;
      event.preventDefault();
      event.stopPropagation();
      put(at[0] + right, at[1] + up);
    });
  };
  const view = (svg) => ({ width: svg.viewBox.baseVal.width, height: svg.viewBox.baseVal.height });
  const range = (edges, place) => `${short(edges[place])}–${short(edges[place + 1])} ms`;
  const responses = (count) => `${count} response${count === 1 ? "" : "s"}`;

  for (const bars of document.querySelectorAll("svg[data-counts]")) {
    const edges = bars.dataset.edges.split(" ").map(Number), counts = bars.dataset.counts.split(" ").map(Number);
    const all = counts.reduce((sum, count) => sum + count, 0) || 1;
    const words = (place) => `${range(edges, place)}: ${responses(counts[place])} (${short(100 * counts[place] / all)} %)`;
    explore(bars, { ...view(bars), columns: counts.length, rows: 1, words, start: [counts.indexOf(Math.max(...counts)), 0] });
    for (const map of bars.closest("figure").querySelectorAll("svg[data-rows]")) {
      const first = Number(map.dataset.start), bin = Number(map.dataset.bin);
      const rows = map.dataset.rows.split(";").map((row) => row.split(" ").map(Number));
      const said = (column, row) => {
        const begin = first + column * bin, count = rows[column][1 + row - rows[column][0]] ?? 0;
        return `${short(begin)}–${short(begin + bin)} s, ${range(edges, row)}: ${responses(row < rows[column][0] ? 0 : count)}`;
      };
      const start = [Math.floor(rows.length / 2), rows[Math.floor(rows.length / 2)][0] || 0];
      explore(map, { ...view(map), columns: rows.length, rows: counts.length, words: said, start });
    }
  }
  for (const panel of document.querySelectorAll(".panel svg")) {
    const top = Number(panel.dataset.top), span = panel.closest("[data-start]").dataset;
    const traces = [...panel.querySelectorAll(".trace")].map((trace) => {
      const places = new Map();
      const keep = (x, y) => places.set(Number(x), top * (60 - y) / 56);
      for (const line of trace.querySelectorAll("polyline"))
        for (const pair of line.getAttribute("points").split(" ")) keep(...pair.split(","));
      for (const dot of trace.querySelectorAll("circle")) keep(dot.getAttribute("cx"), dot.getAttribute("cy"));
      return [trace.dataset.name, places];
    });
    const all = [...new Set(traces.flatMap(([, places]) => [...places.keys()]))].sort((a, b) => a - b);
    const gap = Math.min(...all.slice(1).map((x, place) => x - all[place]), 300);
    const columns = Math.max(1, Math.round(300 / gap));
    const words = (column) => {
      const x = (column + 0.5) * 300 / columns;
      const near = all.reduce((best, each) => Math.abs(each - x) < Math.abs(best - x) ? each : best, all[0] ?? 0);
      const time = Number(span.start) + (Number(span.end) - Number(span.start)) * near / 300;
      const values = traces.filter(([, places]) => places.has(near)).map(([name, places]) => `${name} ${short(places.get(near))}`);
      return `${short(time)} s: ${values.join(", ")}`;
    };
    explore(panel, { width: 300, height: 60, columns, rows: 1, words });
  }
}
