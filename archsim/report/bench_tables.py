"""Tables of `archsim bench`."""

from __future__ import annotations

from archsim.bench.run_bench import CommandTime, EngineTime, RunBench
from archsim.report.table import Column, Table


def bench_tables(bench: RunBench) -> list[Table]:
    """Whole commands, then both engines on the same Program."""
    commands = Table(
        "Whole commands (medians)",
        [
            Column("name", "command", lambda c: c.name),
            Column("wall_s", "wall", lambda c: c.wall_s, "{:.2f} s".format, right=True),
            Column("goal_s", "goal", _goal_s, right=True),
            Column("peak_mb", "peak memory", lambda c: c.peak_mb, "{:.0f} MB".format, right=True),
            Column("goal_mb", "goal", _goal_mb, right=True),
            Column("runs", "runs", lambda c: c.runs, right=True),
        ],
        bench.commands,
        note="Peak memory is at least that of the process that measures, which starts the others.",
    )
    engines = Table(
        "Both engines",
        [
            Column("name", "Program", lambda e: e.name, fold=24),
            Column("reference", "reference", _reference, right=True),
            Column("fast", "fast", _fast, right=True),
            Column("ratio", "ratio", lambda e: e.ratio, "{:.0f}x".format, right=True),
            Column("equal", "equal", lambda e: "yes" if e.equal else "NO"),
        ],
        bench.engines,
        note=(
            f"ResNet-18 inside the fast engine: {bench.resnet18_engine_s:.2f} s, "
            f"{bench.resnet18_services_per_s / 1e6:.1f} M services/s of the Program, "
            f"{bench.resnet18_events_per_s / 1e6:.1f} M/s executed after exact shortcuts."
        ),
    )
    return [commands, engines]


def _goal_s(command: CommandTime) -> str:
    return f"< {command.goal_s:g} s" if command.goal_s else "-"


def _goal_mb(command: CommandTime) -> str:
    return f"< {command.goal_mb:g} MB" if command.goal_mb else "-"


def _reference(engine: EngineTime) -> str:
    return f"{engine.reference_services_per_s / 1e3:.0f} k services/s"


def _fast(engine: EngineTime) -> str:
    return f"{engine.fast_services_per_s / 1e6:.1f} M services/s"
