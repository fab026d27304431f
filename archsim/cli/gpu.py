"""archsim gpu: the GPU that results are compared with, modelled and measured."""

from __future__ import annotations

from archsim.cli.group import LazyGroup

command = LazyGroup(
    "gpu",
    lazy={
        "show": ("archsim.cli.gpu_show", "Show a GPU's numbers and their sources."),
        "run": ("archsim.cli.gpu_run", "Time and energy of a model on a GPU, by its roofline."),
        "measure": ("archsim.cli.gpu_measure", "Measure a model's layers on the GPU of this host."),
        "compare": ("archsim.cli.gpu_compare", "Show the roofline beside a measurement."),
    },
    help="Model a GPU, or measure one.",
)
