"use strict";
// The page of a run: the floor plan's switch, and the timeline of the layers.
(() => {
  for (const group of document.querySelectorAll(".floor")) A.roving(group, ".tile");
  for (const choice of document.querySelectorAll("input[name=floor]")) {
    choice.addEventListener("change", () => {
      for (const group of document.querySelectorAll(".floor")) group.dataset.show = choice.value;
    });
  }

  const box = document.getElementById("timeline");
  if (!box) return;
  const rows = A.data.layers, end = A.data.latency_s;
  const kinds = [...new Set(rows.map((row) => row.runs_on))];
  const colour = (kind) => `var(--c${kinds.indexOf(kind) % 8})`;
  const legend = document.getElementById("timeline-legend");
  for (const kind of kinds) {
    const item = document.createElement("span"), mark = document.createElement("i");
    mark.style.background = colour(kind);
    item.append(mark, kind);
    legend.append(item);
  }
  const item = document.createElement("span"), mark = document.createElement("i");
  mark.style.cssText = "background: var(--text); height: 3px; vertical-align: 4px";
  item.append(mark, "on the critical path");
  legend.append(item);

  const HEIGHT = 17, TOP = 24;
  let view = [0, end];
  const draw = () => {
    const width = Math.max(box.clientWidth - 4, 300);
    const left = Math.min(170, width * 0.3);
    const x = A.linear(view[0], view[1], left, width - 10);
    const picture = A.svg("svg", { viewBox: `0 0 ${width} ${TOP + HEIGHT * rows.length + 4}`,
      role: "img", "aria-label": "When each layer ran; the table below has the same times." });
    const clip = A.svg("clipPath", { id: "plot" }, picture);
    A.svg("rect", { x: left, y: 0, width: width - left, height: TOP + HEIGHT * rows.length + 4 }, clip);
    for (const t of A.ticks(view[0], view[1], width / 120)) {
      A.svg("line", { class: "grid", x1: x(t), x2: x(t), y1: TOP - 5, y2: TOP + HEIGHT * rows.length },
        picture);
      A.svg("text", { class: "soft", x: x(t), y: 13, "text-anchor": "middle", text: A.si(t, "s") },
        picture);
    }
    const plot = A.svg("g", { "clip-path": "url(#plot)" }, picture);
    rows.forEach((row, index) => {
      const y = TOP + index * HEIGHT;
      const letters = Math.floor((left - 8) / 6.2);
      const name = row.name.length > letters ? `\u2026${row.name.slice(1 - letters)}` : row.name;
      A.svg("text", { x: left - 6, y: y + 12, "text-anchor": "end", text: name }, picture);
      const critical = row.critical
        ? `\nOn the critical path for ${A.si(row.critical.time_s, "s")}` : "";
      const bar = A.svg("rect", { x: x(row.start_s), y: y + 2, height: HEIGHT - 5,
        width: Math.max(x(row.finish_s) - x(row.start_s), 1.5), fill: colour(row.runs_on) }, plot);
      bar.dataset.tip = `${row.name}: ${A.si(row.start_s, "s")} to ${A.si(row.finish_s, "s")}`
        + `\nRan on: ${row.runs_on}\nWaited for: ${row.waited_for}${critical}`;
      if (row.critical) {
        A.svg("rect", { x: x(row.critical.start_s), y: y + HEIGHT - 4, height: 3,
          width: Math.max(x(row.critical.finish_s) - x(row.critical.start_s), 1.5),
          fill: "var(--text)", "pointer-events": "none" }, plot);
      }
    });
    box.replaceChildren(picture);
  };
  const zoom = (factor, share = 0.5) => {
    const span = Math.min(end, Math.max((view[1] - view[0]) * factor, end * 1e-6));
    let start = view[0] + share * (view[1] - view[0] - span);
    start = Math.max(0, Math.min(start, end - span));
    view = [start, start + span];
    draw();
  };
  const move = (share) => {
    const span = view[1] - view[0];
    const start = Math.max(0, Math.min(view[0] + share * span, end - span));
    view = [start, start + span];
    draw();
  };
  const reset = () => { view = [0, end]; draw(); };
  const actions = { in: () => zoom(0.5), out: () => zoom(2), left: () => move(-0.25),
    right: () => move(0.25), all: reset };
  for (const button of document.querySelectorAll("button[data-zoom]")) {
    button.addEventListener("click", actions[button.dataset.zoom]);
  }
  box.addEventListener("keydown", (event) => {
    const key = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all" };
    if (!key[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    actions[key[event.key]]();
  });
  const shareAt = (event) => {
    const place = box.getBoundingClientRect();
    const left = Math.min(170, place.width * 0.3);
    return Math.max(0, Math.min(1, (event.clientX - place.left - left) / (place.width - left - 10)));
  };
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, shareAt(event));
  }, { passive: false });
  let held = null;
  box.addEventListener("pointerdown", (event) => { held = event.clientX; });
  addEventListener("pointerup", () => { held = null; });
  box.addEventListener("pointermove", (event) => {
    if (held === null || event.pointerType === "touch") return;
    move((held - event.clientX) / (box.clientWidth * 0.85));
    held = event.clientX;
  });
  addEventListener("resize", draw);
  draw();
  document.documentElement.dataset.ready = "yes";
})();
