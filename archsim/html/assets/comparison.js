"use strict";
// The page of a comparison: energy per inference with its share of the switch between tasks, over
// the inferences that a task lasts, with a slider for that number.
(() => {
  const { rows, most } = A.data;
  const box = document.getElementById("amortised");
  const slider = document.getElementById("per-task");
  const shown = document.getElementById("per-task-shown");
  const body = document.getElementById("at-slider").tBodies[0];
  const count = () => 10 ** Number(slider.value);
  const energy = (row, n) => row.inference_energy_j + row.switch_energy_j / n;
  const seconds = (row, n) => row.inference_latency_s + row.switch_latency_s / n;
  const dashes = ["", "6 3", "2 3", "8 3 2 3"];

  const draw = () => {
    const width = Math.max(box.clientWidth - 4, 300), height = Math.min(460, width * 0.7);
    const left = 70, right = width - 34, top = 12, bottom = height - 42;
    const all = rows.flatMap((row) => [energy(row, 1), energy(row, most)]).filter((v) => v > 0);
    if (!all.length) return;
    const low = Math.min(...all) / 1.3, high = Math.max(...all) * 1.3;
    const x = A.log(1, most, left, right), y = A.log(low, high, bottom, top);
    const picture = A.svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": "Energy per inference over inferences per task; the table below has the values" });
    for (const n of A.decades(1, most)) {
      A.svg("line", { class: "grid", x1: x(n), x2: x(n), y1: top, y2: bottom }, picture);
      A.svg("text", { class: "soft", x: x(n), y: bottom + 15, "text-anchor": "middle",
        text: n.toLocaleString("en") }, picture);
    }
    for (const v of A.decades(low, high)) {
      A.svg("line", { class: "grid", x1: left, x2: right, y1: y(v), y2: y(v) }, picture);
      A.svg("text", { class: "soft", x: left - 6, y: y(v) + 4, "text-anchor": "end", text: A.si(v, "J") },
        picture);
    }
    A.svg("text", { x: (left + right) / 2, y: height - 8, "text-anchor": "middle",
      text: "inferences per task" }, picture);
    const cursor = x(Math.min(count(), most));
    A.svg("line", { x1: cursor, x2: cursor, y1: top, y2: bottom, stroke: "var(--text)",
      "stroke-width": 1.5 }, picture);
    rows.forEach((row, i) => {
      const path = [];
      for (let k = 0; k <= 120; k++) {
        const n = most ** (k / 120);
        if (energy(row, n) > 0) path.push(`${x(n)},${y(energy(row, n))}`);
      }
      const line = A.svg("polyline", { points: path.join(" "), fill: "none", "stroke-width": 2.2,
        stroke: `var(--c${i % 8})`, "stroke-dasharray": dashes[Math.floor(i / 8) % 4] }, picture);
      line.dataset.tip = `${row.name}\nInference: ${A.si(row.inference_energy_j, "J")}`
        + `\nSwitch: ${A.si(row.switch_energy_j, "J")}`;
      A.svg("circle", { cx: cursor, cy: y(energy(row, count())), r: 4, fill: `var(--c${i % 8})` }, picture);
    });
    box.replaceChildren(picture);
  };
  const update = () => {
    const n = Math.round(count());
    shown.textContent = n.toLocaleString("en");
    slider.setAttribute("aria-valuetext", `${n} inferences per task`);
    const order = rows.map((row, i) => [energy(row, n), row, i]).sort((a, b) => a[0] - b[0]);
    body.replaceChildren(...order.map(([joules, row, i]) => {
      const line = document.createElement("tr");
      const cells = [row.name, A.si(joules, "J"), `${Number((joules / order[0][0]).toPrecision(3))}x`,
        A.si(seconds(row, n), "s")];
      cells.forEach((text, k) => {
        const cell = document.createElement("td");
        if (k === 0) {
          const mark = document.createElement("i");
          mark.style.background = `var(--c${i % 8})`;
          mark.className = "key";
          cell.append(mark);
        } else cell.className = "right";
        cell.append(text);
        line.append(cell);
      });
      return line;
    }));
    draw();
  };
  slider.addEventListener("input", update);
  addEventListener("resize", draw);
  update();
})();
