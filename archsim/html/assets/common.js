"use strict";
// What all pages share: figures with prefixes, details on hover and focus, tables.
const A = {};
A.data = JSON.parse(document.getElementById("data").textContent);

// A figure for people: prefixes for seconds, joules and watts, 4 digits for all others.
A.si = (value, unit) => {
  if (value === null || value === undefined || Number.isNaN(value)) return "-";
  if (typeof value !== "number") return String(value);
  if (value === 0) return `0 ${unit}`.trim();
  if (!["s", "J", "W"].includes(unit)) {
    const digits = Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString("en")
      : Number(value.toPrecision(4));
    return `${digits} ${unit}`.trim();
  }
  const steps = ["f", "p", "n", "u", "m", "", "k", "M", "G", "T", "P"];
  const power = Math.max(-5, Math.min(5, Math.floor(Math.log10(Math.abs(value)) / 3)));
  const scaled = value / 10 ** (3 * power);
  return `${Number(scaled.toPrecision(4))} ${steps[power + 5]}${unit}`.trim();
};

A.svg = (name, attributes, parent) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else made.setAttribute(key, value);
  }
  if (parent) parent.append(made);
  return made;
};

A.linear = (low, high, from, to) => (v) => from + ((v - low) / (high - low || 1)) * (to - from);
A.log = (low, high, from, to) => {
  const scale = A.linear(Math.log10(low), Math.log10(high), from, to);
  return (v) => scale(Math.log10(v));
};
A.ticks = (low, high, wanted) => {
  const raw = (high - low) / wanted || 1;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = size * [1, 2, 5, 10].find((m) => m * size >= raw);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
};
A.decades = (low, high) => {
  const found = [];
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  for (let p = first; p <= last; p++) {
    for (const m of last - first < 3 ? [1, 2, 5] : [1]) {
      const v = m * 10 ** p;
      if (v >= low * 0.999 && v <= high * 1.001) found.push(v);
    }
  }
  return found;
};

// Details of whatever has data-tip, on hover and on focus.
const tip = document.getElementById("tip");
const show = (target, x, y) => {
  tip.textContent = target.dataset.tip;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 6))}px`;
  const above = y + 16 + box.height > innerHeight;
  tip.style.top = `${Math.max(4, above ? y - box.height - 10 : y + 16)}px`;
};
document.addEventListener("pointermove", (event) => {
  const target = event.target.closest && event.target.closest("[data-tip]");
  if (target) show(target, event.clientX, event.clientY);
  else tip.hidden = true;
});
document.addEventListener("focusin", (event) => {
  if (!event.target.dataset || event.target.dataset.tip === undefined) return;
  const box = event.target.getBoundingClientRect();
  show(event.target, box.right, box.top);
});
document.addEventListener("focusout", () => { tip.hidden = true; });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

// One tab stop for a group of many marks; the arrow keys go through them.
A.roving = (group, selector) => {
  const marks = () => [...group.querySelectorAll(selector)];
  const first = marks()[0];
  if (first) first.setAttribute("tabindex", "0");
  if (group.dataset.roving) return;
  group.dataset.roving = "yes";
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const all = marks();
    const at = all.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = all[(at + step + all.length) % all.length];
    all[at].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
};

// Tables: a click on a heading sorts, words in the field above filter.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
  };
  table.querySelectorAll("th button").forEach((button) => {
    button.addEventListener("click", () => {
      const head = button.parentElement, column = head.cellIndex;
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      const order = (a, b) => {
        const gap = parseFloat(a) - parseFloat(b);
        return gap || String(a).localeCompare(String(b));
      };
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      rows.sort((a, b) => sign * order(a[0], b[0]));
      body.append(...rows.map((pair) => pair[1]));
    });
  });
  const field = document.querySelector(`input[data-filters="${table.id}"]`);
  const count = document.getElementById(`${table.id}-count`);
  if (field) {
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let kept = 0;
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        if (!row.hidden) kept += 1;
      }
      count.textContent = `${kept} of ${body.rows.length} shown`;
    });
  }
}
