"""archsim bench: measurements, as ratios side by side in one run."""

from __future__ import annotations

from archsim.cli.group import LazyGroup

command = LazyGroup(
    "bench",
    lazy={
        "run": ("archsim.cli.bench_run", "Time whole commands, and both engines together."),
        "sweep": ("archsim.cli.bench_sweep", "Points per hour of a sweep, and its overhead."),
        "compare": ("archsim.cli.bench_compare", "A comparison of all adaptation methods."),
        "reproduce": ("archsim.cli.bench_reproduce", "Time the published experiments."),
        "engine": ("archsim.cli.bench_engine", "Both engines on the same Programs."),
        "traces": ("archsim.cli.bench_traces", "Exports of traces, time and memory."),
    },
    help="Measure how fast archsim is here.",
)
