"""The page of one run."""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import Any

from archsim.html.floor_svg import floor_html
from archsim.html.page import Section, page
from archsim.html.tables import html_table, plain_table
from archsim.report import run_tables
from archsim.result import Result
from archsim.tables import figures
from archsim.tables.table import Column, Table

ZOOM = (("in", "Zoom in"), ("out", "Zoom out"), ("left", "Left"), ("right", "Right"))


def run_page(result: Result) -> str:
    """Headline, energy, time, floor plan, timeline and layers of a run as one HTML page."""
    headline = run_tables.headline(result)
    inputs = result.inputs
    sections = [
        Section("energy", "Where the energy goes", *_energy(result)),
        Section("time", "Where the time goes", *_time(result)),
        Section("floor", "How busy the chip was", *_floor(result)),
        Section("when", "When each layer ran", *_timeline()),
        Section("layers", "Layers", *_layers(result)),
    ]
    return page(
        headline.title,
        f"{result.weight_bits}-bit weights, {result.input_bits}-bit inputs; "
        f"value statistics {result.value_statistics}.",
        sections,
        cards=headline.records,
        data={"latency_s": result.latency_s, "layers": _bars(result)},
        scripts=["run.js"],
        origin=f"archsim {inputs.archsim}; architecture {inputs.arch or inputs.arch_name}, sha256 "
        f"{inputs.arch_sha256}; trace {inputs.trace or inputs.trace_name}, sha256 "
        f"{inputs.trace_sha256}; batch {inputs.batch}, {inputs.chips} chips, replication "
        f"{'on' if inputs.replicate else 'off'}; tick {figures.seconds(result.tick_s)}; digest "
        f"{result.digest}.",
    )


def _energy(result: Result) -> tuple[str, str]:
    total = result.energy_j or 1.0
    records = sorted(
        (
            (path, shares.get("dynamic", 0.0), shares.get("static", 0.0))
            for path, shares in result.energy_parts_j.items()
        ),
        key=lambda record: -(record[1] + record[2]),
    )
    largest = max((record[1] + record[2] for record in records), default=1.0) or 1.0
    columns = (
        Column("part", "component", lambda r: r[0].removeprefix("chip.")),
        Column("total", "energy per inference", lambda r: r[1] + r[2], figures.joules, right=True),
        Column("share", "share", lambda r: (r[1] + r[2]) / total, figures.percent, right=True),
        Column("dynamic", "dynamic", itemgetter(1), figures.joules, right=True),
        Column("static", "static", itemgetter(2), figures.joules, right=True),
    )
    table = plain_table(
        Table("Energy by component", columns, records),
        lambda r: (r[1] / largest, r[2] / largest),
    )
    legend = (
        '<p class="legend"><span><i style="background:var(--c0)"></i>dynamic: what actions take'
        '</span><span><i style="background:var(--c1)"></i>static: drawn all the time</span></p>'
    )
    return legend + table, ""


def _time(result: Result) -> tuple[str, str]:
    path = sorted(result.critical_path, key=lambda step: -step.time_s)
    if not path:
        return "<p>This result has no critical path; run it again with this archsim.</p>", ""
    latency = result.latency_s or 1.0
    columns = (
        Column("name", "operation", attrgetter("name")),
        Column("time", "time on the path", attrgetter("time_s"), figures.seconds, right=True),
        Column("share", "share", lambda s: s.time_s / latency, figures.percent, right=True),
        Column("steps", "steps", attrgetter("steps"), figures.count, right=True),
        Column("start", "enters", attrgetter("start_s"), figures.seconds, right=True),
        Column("waited", "could begin after", attrgetter("waited_for")),
    )
    table = html_table(
        Table("Critical path by operation", columns, path),
        "path",
        bars=lambda s: (s.time_s / path[0].time_s,),
        tall=True,
    )
    note = (
        "The critical path goes back from the last finish to the start: each step is one vector of "
        "an operation, from the moment at which it had all it needs to its end, queues included. "
        "The times of all operations add up to the latency. What every layer waited for, on the "
        "path or off it, is in the table of layers."
    )
    return table, note


def _floor(result: Result) -> tuple[str, str]:
    body = floor_html(result.floor)
    if not body:
        return "<p>This result has no floor plan; run it again with this archsim.</p>", ""
    note = (
        "Share of the run for which the arrays of each tile computed (mean over all its arrays, "
        "used or not), or for which its busiest unit did. Tiles stand at their router in the mesh."
    )
    return body, note


def _timeline() -> tuple[str, str]:
    buttons = "".join(
        f'<button type="button" data-zoom="{name}">{text}</button>'
        for name, text in (*ZOOM, ("all", "Whole run"))
    )
    body = (
        f'<div class="tools">{buttons}</div><p class="legend" id="timeline-legend"></p>'
        '<div id="timeline" class="scroll tall" tabindex="0" role="region" '
        'aria-label="Timeline: plus and minus zoom, left and right move, 0 shows the whole run">'
        "</div>"
    )
    note = (
        "From the first start to the last finish of each layer; drag, or Ctrl and the wheel, or "
        "the keys + - 0 and the arrows. `archsim run --timeline` writes every vector."
    )
    return body, note


def _layers(result: Result) -> tuple[str, str]:
    table = run_tables.layers(result)
    return html_table(table, "layer-table", tall=True), table.note


def _bars(result: Result) -> list[dict[str, Any]]:
    """What the timeline draws; fused layers run with the one before them and are left out."""
    path = {step.name: step for step in result.critical_path}
    return [
        {
            **layer.model_dump(
                include={"name", "runs_on", "start_s", "finish_s", "waited_for"},
            ),
            "critical": path[layer.name].model_dump(include={"time_s", "start_s", "finish_s"})
            if layer.name in path
            else None,
        }
        for layer in result.layers
        if not layer.runs_on.startswith("after ")
    ]
