"""archsim trace: commands that make traces, show them and compare them."""

from __future__ import annotations

from archsim.cli.group import LazyGroup

command = LazyGroup(
    "trace",
    lazy={
        "export": ("archsim.cli.trace_export", "Read a trained model and write its trace."),
        "show": ("archsim.cli.trace_show", "Show the layers, work and values of a trace."),
        "check": ("archsim.cli.trace_check", "Say whether a trace still fits its model."),
        "diff": ("archsim.cli.trace_diff", "Compare two traces layer by layer."),
    },
    help="Make traces from trained models, show and compare them.",
)
