"""archsim trace: commands that make traces."""

from __future__ import annotations

from archsim.cli.group import LazyGroup

command = LazyGroup(
    "trace",
    lazy={"export": ("archsim.cli.trace_export", "Read a trained model and write its trace.")},
    help="Make traces from trained models.",
)
