"""The YAML of a comparison, and what it asks for with all its files loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field

from archsim.adaptation.method import Method
from archsim.adaptation.registry import make_method
from archsim.arch.load import load_arch
from archsim.arch.model import Architecture
from archsim.documents import check_version, load_document, validate
from archsim.errors import InputError, Location
from archsim.gpu.load import load_gpu
from archsim.gpu.model import GPU, LaunchMode
from archsim.options import RunOptions
from archsim.schema import Model
from archsim.schema.ranges import Seed, Size, Total, Whole
from archsim.trace.load import load_trace
from archsim.trace.model import Trace
from archsim.trace.scenario import Generator, Scenario, load_scenario

COMPARISON_KEY: Final = "archsim_comparison"
COMPARISON_VERSION: Final = 1
T = TypeVar("T")


class GpuChoice(Model):
    """A GPU to compare with. precision: bf16 where it has that, else fp16, else fp32.

    batch: inferences that run together, those of the chip unless given; launch: kernels in one
    graph, or one by one by the host; rank, modules: of the LoRA adapters that it runs.
    """

    gpu: Annotated[str, Field(description="name of a shipped one, or path of a YAML")]
    precision: str | None = None
    batch: Size | None = None
    launch: LaunchMode = "graph"
    rank: Size = 4
    modules: tuple[str, ...] | None = None


class Tasks(Model):
    """One task after the other, each with as many inferences."""

    tasks: Size = 8
    inferences_per_task: Annotated[Total, Field(ge=1)] = 10_000


class Learn(Model):
    """Learning a task on the device: `steps` training steps on mini-batches of `batch`."""

    optimizer: Literal["sgd", "momentum", "adam"] = "sgd"
    batch: Size = 1
    steps: Size = 100


class Options(RunOptions):
    """How the chip is simulated.

    overlap: inferences that run beside a switch, 0: switches are simulated alone; learn: tasks are
    learnt on the device.
    """

    overlap: Whole = 0
    seed: Seed = 0
    learn: Learn | None = None


class ComparisonFile(Model):
    """A comparison as it is written; paths are from its own folder.

    methods: names, or mappings with `kind` and the method's parameters; gpus: names, or mappings.
    """

    archsim_comparison: Annotated[Literal[1], Field(description="format version")]
    name: Annotated[str, Field(min_length=1)] = "comparison"
    arch: str
    trace: str
    methods: Annotated[list[str | dict[str, Any]], Field(min_length=1)]
    gpus: list[str | GpuChoice] = []
    scenario: Annotated[str | Tasks, Field(description="tasks, or path of a scenario")] = Tasks()
    options: Options = Options()


@dataclass(frozen=True)
class Experiment:
    """A comparison that is ready to run. methods, gpus: by the names that its rows have."""

    name: str
    arch: Architecture
    arch_path: str
    trace: Trace
    trace_path: str
    methods: Mapping[str, Method]
    gpus: Mapping[str, tuple[GPU, GpuChoice]]
    scenario: Scenario
    scenario_path: str
    options: Options


def load_experiment(path: str | Path) -> Experiment:
    """Read a comparison and all that it names.

    Raises InputError, at file and line, for whatever is wrong in it or in a file that it names.
    """
    document = load_document(path)
    check_version(document, "comparison", COMPARISON_KEY, COMPARISON_VERSION)
    file = validate(ComparisonFile, document)
    return experiment(file, document.path.parent, lambda *keys: document.location(keys))


def experiment(
    file: ComparisonFile,
    folder: Path = Path(),
    place: Callable[..., Location | None] = lambda *keys: None,
) -> Experiment:
    """Load what a comparison names, from `folder`. place: where a key of it is written.

    InputError as for `load_experiment`.
    """

    def known(key: str, load: Callable[[str], T], name: str) -> T:
        if not (folder / name).is_file():
            where = place(key)
            raise InputError(
                f"there is no file '{name}'.",
                where,
                "Give its path from the folder of this file." if where else None,
            )
        return load(str(folder / name))

    arch = known("arch", load_arch, file.arch)
    trace = known("trace", load_trace, file.trace)
    methods: dict[str, Method] = {}
    for number, entry in enumerate(file.methods):
        found = _placed(_method, entry, place("methods", number))
        name = label(found)
        if name in methods:
            raise InputError(
                f"the method '{name}' is there twice.", place("methods", number), "Remove one."
            )
        methods[name] = found
    gpus: dict[str, tuple[GPU, GpuChoice]] = {}
    for number, choice in enumerate(file.gpus):
        made = GpuChoice(gpu=choice) if isinstance(choice, str) else choice
        made = made.model_copy(update={"batch": made.batch or file.options.batch})
        gpu, made = _placed(lambda c: _gpu(c, folder), made, place("gpus", number))
        name = f"{gpu.name}, {made.precision}" + f", batch {made.batch}" * (made.batch != 1)
        name += ", launched by the host" * (made.launch == "host")
        if name in gpus:
            raise InputError(
                f"the GPU '{name}' is there twice.", place("gpus", number), "Remove one."
            )
        gpus[name] = gpu, made
    path = ""
    if isinstance(file.scenario, Tasks):
        scenario = _scenario(file.scenario, trace, folder / file.trace)
    else:
        path = str(folder / file.scenario)
        scenario = known("scenario", load_scenario, file.scenario)
        if scenario.trace != trace:
            raise InputError(
                f"the scenario is for another model: '{scenario.trace.name}'.",
                place("scenario") or path,
                f"Use one for '{trace.name}', or compare its model.",
            )
    return Experiment(
        name=file.name,
        arch=arch,
        arch_path=str(folder / file.arch),
        trace=trace,
        trace_path=str(folder / file.trace),
        methods=methods,
        gpus=gpus,
        scenario=scenario,
        scenario_path=path,
        options=file.options,
    )


def label(method: Method) -> str:
    """A method's kind, with those parameters that are not the paper's: `lora-rram, rank 8`."""
    fields = type(method).model_fields
    changed = [
        f", {name.replace('_', ' ')} {_shown(value)}"
        for name, value in method
        if name != "kind" and value != fields[name].default
    ]
    return f"{method.kind}{''.join(changed)}"  # type: ignore[attr-defined]


def _shown(value: object) -> str:
    return "/".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _placed(load: Callable[[Any], T], value: Any, where: Location | None) -> T:
    """What `load` makes of a value; its InputError says where the value is written."""
    try:
        return load(value)
    except InputError as fault:
        raise InputError(fault.what, fault.where or where, fault.fix) from None


def _method(entry: str | dict[str, Any]) -> Method:
    if isinstance(entry, str):
        return make_method(entry)
    kind, rest = entry.get("kind"), {k: v for k, v in entry.items() if k != "kind"}
    if not isinstance(kind, str):
        raise InputError("a method without a kind.", fix="Write for instance {kind: full}.")
    return make_method(kind, rest)


def _gpu(choice: GpuChoice, folder: Path) -> tuple[GPU, GpuChoice]:
    own = folder / choice.gpu
    gpu = load_gpu(own if own.is_file() else choice.gpu)
    precision = choice.precision or next(
        (name for name in ("bf16", "fp16", "fp32") if name in gpu.compute), "fp32"
    )
    gpu.arithmetic(precision)
    return gpu, choice.model_copy(update={"precision": precision})


def _scenario(rule: Tasks, trace: Trace, path: Path) -> Scenario:
    source = Generator(tasks=rule.tasks, inferences_per_task=rule.inferences_per_task)
    return Scenario("tasks in sequence", trace, path, source)
