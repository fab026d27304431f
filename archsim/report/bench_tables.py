"""Tables of `archsim bench`."""

from __future__ import annotations

from archsim.bench.engine_bench import EngineBench, ProgramBench
from archsim.bench.run_bench import CommandTime, EngineTime, RunBench
from archsim.tables.table import Column, Table


def _reference(engine: EngineTime | ProgramBench) -> str:
    return f"{engine.reference_services_per_s / 1e3:.0f} k services/s"


def _fast(engine: EngineTime | ProgramBench) -> str:
    return f"{engine.fast_services_per_s / 1e6:.1f} M services/s"


BESIDE = (  # one engine beside the other
    Column("reference", "reference", _reference, right=True),
    Column("fast", "fast", _fast, right=True),
    Column("ratio", "ratio", lambda e: e.ratio, "{:.0f}x".format, right=True),
    Column("equal", "equal", lambda e: "yes" if e.equal else "NO"),
)


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
            *BESIDE,
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


def engine_tables(bench: EngineBench) -> list[Table]:
    """Tables of `archsim bench engine`."""
    engines = Table(
        "Both engines, service by service",
        [
            Column("name", "Program", lambda p: p.name, fold=20),
            Column("services", "services", lambda p: p.services, "{:,}".format, right=True),
            *BESIDE,
        ],
        bench.programs,
        note=(
            "The reference would take minutes: it runs "
            + ", ".join(f"{p.reference_services:,}" for p in bench.programs)
            + " services, of the first Program one with fewer instances, of the others their "
            "first part. All finish times up to there are compared."
        ),
    )
    rows = [(p, s) for p in bench.programs for s in p.settings]
    shortcuts = Table(
        "Exact shortcuts of the fast engine",
        [
            Column("name", "Program", lambda r: r[0].name, fold=20),
            Column("shortcuts", "shortcuts", lambda r: r[1].shortcuts),
            Column("wall_s", "in the engine", lambda r: r[1].wall_s, "{:.3f} s".format, right=True),
            Column("events", "events", lambda r: r[1].events, "{:,}".format, right=True),
            Column("digest", "finish times", lambda r: r[1].digest),
        ],
        rows,
    )
    memory = Table(
        "With all shortcuts",
        [
            Column("name", "Program", lambda p: p.name, fold=20),
            Column(
                "ticks_per_s",
                "simulated ticks per second",
                lambda p: p.ticks_per_s,
                "{:.3g}".format,
                right=True,
            ),
            Column("peak_mb", "peak memory", lambda p: p.peak_mb, "{:.0f} MB".format, right=True),
        ],
        bench.programs,
    )
    return [engines, shortcuts, memory]
