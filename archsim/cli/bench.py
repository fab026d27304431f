"""archsim bench: measurements, as ratios side by side in one run."""

from __future__ import annotations

from archsim.cli.group import LazyGroup

command = LazyGroup(
    "bench",
    lazy={
        "run": ("archsim.cli.bench_run", "Time whole commands, and both engines together."),
        "engine": ("archsim.cli.bench_engine", "Both engines on the same Programs."),
    },
    help="Measure how fast archsim is here.",
)
