"use strict";
// The page of a sweep: a scatter plot of two figures with its Pareto front, and parallel
// coordinates whose ranges filter both.
(() => {
  const { columns, points } = A.data;
  const byName = Object.fromEntries(columns.map((column) => [column.name, column]));
  const text = (column, i) => column.labels ? column.labels[column.values[i]]
    : A.si(column.values[i], column.unit);
  const describe = (i) => [`Point ${points[i]}`,
    ...columns.map((column) => `${column.name}: ${text(column, i)}`)].slice(0, 16).join("\n");
  const ranges = {}; // column name -> [low, high] in its values
  const kept = () => points.map((_, i) => Object.entries(ranges).every(([name, [low, high]]) => {
    const v = byName[name].values[i];
    return v !== null && v >= low && v <= high;
  }));

  const numeric = columns.filter((column) => !column.labels);
  const pick = { x: document.getElementById("pick-x"), y: document.getElementById("pick-y") };
  for (const [axis, select] of Object.entries(pick)) {
    for (const column of numeric) select.append(new Option(column.name, column.name));
    select.value = A.data.first[axis];
    select.addEventListener("change", () => drawScatter());
  }
  const logarithmic = document.getElementById("pick-log");
  logarithmic.addEventListener("change", () => drawScatter());

  const better = (column, a, b) => (column.more ? a > b : a < b);
  // Sorted by x, a point is on the front if its y is better than all before it.
  const front = (x, y, which) => {
    const order = which.slice().sort((a, b) => (better(x, x.values[a], x.values[b]) ? -1
      : x.values[a] === x.values[b] ? (better(y, y.values[a], y.values[b]) ? -1 : 1) : 1));
    const found = [];
    for (const i of order) {
      if (!found.length || better(y, y.values[i], y.values[found[found.length - 1]])) found.push(i);
    }
    return found;
  };

  const scatter = document.getElementById("scatter");
  function drawScatter() {
    const x = byName[pick.x.value], y = byName[pick.y.value];
    const inside = kept();
    const all = points.map((_, i) => i).filter((i) => x.values[i] !== null && y.values[i] !== null);
    const shown = all.filter((i) => inside[i]);
    const width = Math.max(scatter.clientWidth - 4, 300), height = Math.min(460, width * 0.7);
    const box = { left: 76, right: width - 16, top: 12, bottom: height - 44 };
    const picture = A.svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group",
      "aria-label": `${y.name} against ${x.name}; arrow keys go through the Pareto front` });
    const positive = (c) => logarithmic.checked && all.every((i) => c.values[i] > 0);
    const extent = (c) => {
      const values = all.map((i) => c.values[i]);
      let low = Math.min(...values), high = Math.max(...values);
      if (low === high) { low -= Math.abs(low) * 0.1 || 1; high += Math.abs(high) * 0.1 || 1; }
      const pad = (high - low) * 0.05;
      return positive(c) ? [low / 1.1, high * 1.1] : [low - pad, high + pad];
    };
    const scale = (c, from, to) => {
      const [low, high] = extent(c);
      return { low, high, at: (positive(c) ? A.log : A.linear)(low, high, from, to),
        ticks: (positive(c) ? A.decades(low, high) : A.ticks(low, high, 6))
          .filter((v) => v >= low && v <= high) };
    };
    const sx = scale(x, box.left, box.right), sy = scale(y, box.bottom, box.top);
    for (const v of sx.ticks) {
      A.svg("line", { class: "grid", x1: sx.at(v), x2: sx.at(v), y1: box.top, y2: box.bottom }, picture);
      A.svg("text", { class: "soft", x: sx.at(v), y: box.bottom + 15, "text-anchor": "middle",
        text: A.si(v, x.unit) }, picture);
    }
    for (const v of sy.ticks) {
      A.svg("line", { class: "grid", x1: box.left, x2: box.right, y1: sy.at(v), y2: sy.at(v) }, picture);
      A.svg("text", { class: "soft", x: box.left - 6, y: sy.at(v) + 4, "text-anchor": "end",
        text: A.si(v, y.unit) }, picture);
    }
    A.svg("text", { x: (box.left + box.right) / 2, y: height - 8, "text-anchor": "middle",
      text: `${x.name}${x.more ? " (more is better)" : ""}` }, picture);
    A.svg("text", { x: 12, y: (box.top + box.bottom) / 2, "text-anchor": "middle",
      transform: `rotate(-90 12 ${(box.top + box.bottom) / 2})`,
      text: `${y.name}${y.more ? " (more is better)" : ""}` }, picture);
    const best = new Set(front(x, y, shown));
    for (const i of all) {
      if (best.has(i)) continue;
      const mark = A.svg("circle", { cx: sx.at(x.values[i]), cy: sy.at(y.values[i]), r: 4,
        fill: inside[i] ? "var(--c0)" : "var(--line)", "fill-opacity": inside[i] ? 0.65 : 0.4 }, picture);
      mark.dataset.tip = describe(i);
    }
    const line = [...best].map((i) => [sx.at(x.values[i]), sy.at(y.values[i])]);
    const steps = line.map((p, k) => (k ? `H${p[0]}V${p[1]}` : `M${p[0]},${p[1]}`)).join("");
    if (line.length) A.svg("path", { class: "front", d: steps }, picture);
    for (const i of best) {
      const mark = A.svg("circle", { class: "best", cx: sx.at(x.values[i]), cy: sy.at(y.values[i]),
        r: 5.5, fill: "var(--c5)", stroke: "var(--back)", tabindex: -1, role: "img",
        "aria-label": describe(i) }, picture);
      mark.dataset.tip = describe(i);
    }
    scatter.replaceChildren(picture);
    A.roving(scatter, ".best");
    document.getElementById("scatter-count").textContent =
      `${shown.length} of ${points.length} points, ${best.size} on the front`;
  }

  const parallel = document.getElementById("parallel");
  const axes = A.data.axes.map((name) => byName[name]);
  // Beyond a few thousand lines nothing can be told apart: every k-th point is drawn.
  const every = Math.ceil(points.length / 2000);
  let dragged = null;
  function drawParallel() {
    const inside = kept();
    const width = Math.max(parallel.clientWidth - 4, 110 * axes.length), height = 300;
    const top = 34, bottom = height - 26;
    const at = (k) => 50 + (k * (width - 100)) / Math.max(axes.length - 1, 1);
    const scales = axes.map((column) => {
      const values = column.values.filter((v) => v !== null);
      const low = Math.min(...values), high = Math.max(...values);
      return low === high ? () => (top + bottom) / 2 : A.linear(low, high, bottom, top);
    });
    const picture = A.svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
      style: `min-width:${90 * axes.length}px`,
      "aria-label": "Parallel coordinates; the fields above set a range, the table has the figures" });
    for (const bright of [false, true]) {
      points.forEach((_, i) => {
        if (inside[i] !== bright || i % every) return;
        const path = axes.map((column, k) => (column.values[i] === null ? null
          : `${at(k)},${scales[k](column.values[i])}`)).filter(Boolean).join(" ");
        const line = A.svg("polyline", { points: path, fill: "none", "stroke-width": 1.3,
          stroke: bright ? "var(--c0)" : "var(--line)", "stroke-opacity": bright ? 0.6 : 0.35 }, picture);
        if (bright) line.dataset.tip = describe(i);
      });
    }
    axes.forEach((column, k) => {
      const x = at(k), scale = scales[k];
      A.svg("line", { x1: x, x2: x, y1: top, y2: bottom, stroke: "var(--soft)" }, picture);
      const values = column.values.filter((v) => v !== null);
      const low = Math.min(...values), high = Math.max(...values);
      const name = column.name.split(".").slice(-2).join(".");
      const title = name.length > 16 ? `${name.slice(0, 15)}\u2026` : name;
      A.svg("text", { x, y: 12, "text-anchor": "middle", text: title }, picture).dataset.tip = column.name;
      const shown = (v) => (column.labels ? column.labels[v] : A.si(v, column.unit));
      A.svg("text", { class: "soft", x, y: 27, "text-anchor": "middle", text: shown(high) }, picture);
      A.svg("text", { class: "soft", x, y: height - 8, "text-anchor": "middle", text: shown(low) }, picture);
      const range = ranges[column.name];
      if (range) {
        const [a, b] = [scale(Math.max(range[0], low)), scale(Math.min(range[1], high))];
        A.svg("rect", { x: x - 6, width: 12, y: Math.min(a, b) - 3, height: Math.abs(a - b) + 6,
          fill: "var(--c1)", "fill-opacity": 0.45 }, picture);
      }
      const grip = A.svg("rect", { x: x - 14, width: 28, y: top - 6, height: bottom - top + 12,
        fill: "transparent", style: "cursor: crosshair" }, picture);
      grip.addEventListener("pointerdown", (event) => {
        dragged = { column, low, high, picture, from: event.clientY, to: event.clientY, top, bottom };
        event.preventDefault();
      });
    });
    parallel.replaceChildren(picture);
  }
  addEventListener("pointermove", (event) => { if (dragged) dragged.to = event.clientY; });
  addEventListener("pointerup", () => {
    if (!dragged) return;
    const { column, low, high, picture, from, to, top, bottom } = dragged;
    dragged = null;
    const box = picture.getBoundingClientRect();
    const unit = box.height / picture.viewBox.baseVal.height;
    const value = (y) => A.linear(bottom, top, low, high)((y - box.top) / unit);
    if (Math.abs(from - to) < 4) delete ranges[column.name];
    else ranges[column.name] = [value(Math.max(from, to)), value(Math.min(from, to))];
    redraw();
  });

  const name = document.getElementById("range-name");
  const low = document.getElementById("range-low"), high = document.getElementById("range-high");
  for (const column of axes) name.append(new Option(column.name, column.name));
  const setRange = () => {
    if (low.value === "" && high.value === "") delete ranges[name.value];
    else {
      ranges[name.value] = [low.value === "" ? -Infinity : Number(low.value),
        high.value === "" ? Infinity : Number(high.value)];
    }
    redraw();
  };
  name.addEventListener("change", () => {
    const range = ranges[name.value] || ["", ""];
    low.value = Number.isFinite(range[0]) ? range[0] : "";
    high.value = Number.isFinite(range[1]) ? range[1] : "";
  });
  low.addEventListener("input", setRange);
  high.addEventListener("input", setRange);
  document.getElementById("range-clear").addEventListener("click", () => {
    for (const key of Object.keys(ranges)) delete ranges[key];
    low.value = high.value = "";
    redraw();
  });
  function redraw() { drawScatter(); drawParallel(); }
  addEventListener("resize", redraw);
  redraw();
})();
