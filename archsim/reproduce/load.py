"""Reading an experiment, with its assumptions put in place."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.documents import Document, check_version, load_document, validate
from archsim.errors import InputError, Location, nearest
from archsim.reproduce.assumptions import Value, merged, placed, scaled
from archsim.reproduce.curves import check_where, shortened
from archsim.reproduce.experiment import (
    EXPERIMENT_KEY,
    EXPERIMENT_VERSION,
    Assumption,
    AxisValue,
    Curve,
    ExperimentFile,
)
from archsim.reproduce.measure import Measure
from archsim.reproduce.registry import make_measure
from archsim.system import shipped

FOLDER = shipped.root() / shipped.EXPERIMENTS


@dataclass(frozen=True)
class Experiment:
    """An experiment ready to run. system: its name on the command line; document: as written, with
    all values of the assumptions in place; measures: by name."""

    system: str
    file: ExperimentFile
    document: Document
    measures: Mapping[str, Measure]

    @property
    def folder(self) -> Path:
        """Where the paths in the file start."""
        return self.document.path.parent

    def curve(self, name: str) -> Curve:
        """A curve by its name."""
        return next(curve for curve in self.file.curves if curve.name == name)

    def with_value(self, assumption: Assumption, value: Value) -> Experiment:
        """The experiment with another value for one assumption."""
        return self.with_values([(assumption.paths, value)])

    def with_values(self, laid: Sequence[tuple[Sequence[str], AxisValue]]) -> Experiment:
        """The experiment with each value laid over its file at the paths beside it."""
        data = copy.deepcopy(self.document.data)
        for paths, value in laid:
            for path in paths:
                placed(data, path, value, None)
        return _experiment(self.system, dataclasses.replace(self.document, data=data))

    def reduced(self) -> Experiment:
        """The same parts with fewer layers and positions, as `reduced` in the file says.

        Curves keep the ends of their axes.
        """
        document = dataclasses.replace(
            self.document, data=merged(self.document.data, self.file.reduced)
        )
        _experiment(self.system, document)  # what `reduced` says is sound
        shortened(document.data)
        return _experiment(self.system, document)


def systems(folder: Path = FOLDER) -> list[str]:
    """Names of the experiments in a folder: files that hold the key of an experiment."""
    return sorted(
        path.stem
        for path in folder.glob("*.yaml")
        if EXPERIMENT_KEY in path.read_text(encoding="utf-8")
    )


def load_experiment(
    system: str | Path, folder: Path = FOLDER, *, checked: bool = True
) -> Experiment:
    """An experiment by the name of a system, or by the path of its YAML.

    checked: False for the file alone, without its measures, which is enough to list it. Raises
    InputError for an unknown system and, at file and line, for whatever is wrong in it.
    """
    path = Path(system)
    if path.suffix not in (".yaml", ".yml"):
        known = systems(folder)
        if str(system) not in known:
            raise InputError(
                f"there is no experiment '{system}'.",
                None,
                f"{nearest(str(system), known)} `archsim reproduce` lists them.",
            )
        path = folder / f"{system}.yaml"
    document = load_document(path)
    check_version(document, "experiment", EXPERIMENT_KEY, EXPERIMENT_VERSION)
    document = _with_assumptions(document)
    if not checked:
        return Experiment(path.stem, validate(ExperimentFile, document), document, {})
    experiment = _experiment(path.stem, document)
    _check_axes(experiment)
    return experiment


def sensitivity_values(assumption: Assumption) -> tuple[Value, Value]:
    """The low and the high value that a sensitivity tries: half and double unless given."""
    low = scaled(assumption.value, 0.5) if assumption.low is None else assumption.low
    high = scaled(assumption.value, 2) if assumption.high is None else assumption.high
    return low, high


def _with_assumptions(document: Document) -> Document:
    data = copy.deepcopy(document.data)
    listed = data.get("assumptions") or []
    for number, entry in enumerate(listed if isinstance(listed, list) else []):
        if not isinstance(entry, dict) or not isinstance(entry.get("paths"), list):
            continue  # left to validation
        for path in entry["paths"]:
            placed(data, str(path), entry.get("value"), document.location(("assumptions", number)))  # type: ignore[arg-type]
    return dataclasses.replace(document, data=data)


def _experiment(system: str, document: Document) -> Experiment:
    file = validate(ExperimentFile, document)
    made: dict[str, Measure] = {}
    for name, arguments in file.measures.items():
        where = document.location(("measures", name))
        if not name.isidentifier():
            raise InputError(
                f"'{name}' is no name for a measure.", where, "Use letters, digits, _."
            )
        made[name] = make_measure(arguments, where)
    for name, measure in made.items():
        _check(document, ("measures", name), measure.reads(), made, "measure")
        for field in ("chip", "model", "method"):
            group = getattr(file, f"{field}s")
            chosen = getattr(measure, field, None)
            if chosen is not None:
                _check(document, ("measures", name, field), {chosen}, group, field)
    curves: dict[str, Curve] = {}
    for number, curve in enumerate(file.curves):
        keys = ("curves", number)
        if curves.setdefault(curve.name, curve) is not curve:
            raise InputError(f"two curves are called '{curve.name}'.", document.location(keys))
        _check(document, (*keys, "measure"), {curve.measure}, made, "measure")
    for name, measure in made.items():
        _check_least(document, name, measure, curves)
    _check_cycle(document, made, curves)
    for number, figure in enumerate(file.figures):
        if figure.measure is not None:
            _check(document, ("figures", number, "measure"), {figure.measure}, made, "measure")
    for name, chip in file.chips.items():
        _check_file(document, ("chips", name, "arch"), chip.arch)
    for name, model in file.models.items():
        _check_file(document, ("models", name, "trace"), model.trace)
    for name, arguments in file.methods.items():
        _check_method(arguments, document.location(("methods", name)))
    return Experiment(system, file, document, made)


def _check(
    document: Document, keys: tuple[str | int, ...], names: Any, known: Any, word: str
) -> None:
    for name in sorted(names):
        if name not in known:
            fix = nearest(name, known) if known else f"The file has no {word}s."
            raise InputError(f"there is no {word} '{name}'.", document.location(keys), fix)


def _check_least(
    document: Document, name: str, measure: Measure, curves: Mapping[str, Curve]
) -> None:
    """A measure of a curve names one of the file, and axes and values of it."""
    chosen = getattr(measure, "curve", None)
    if not isinstance(chosen, str):
        return
    _check(document, ("measures", name, "curve"), {chosen}, curves, "curve")
    try:
        check_where(curves[chosen], getattr(measure, "where", {}), getattr(measure, "at", None))
    except InputError as fault:
        raise InputError(fault.what, document.location(("measures", name)), fault.fix) from None


def _check_axes(experiment: Experiment) -> None:
    """Every path of every axis leads somewhere, and every value may stand there."""
    for number, curve in enumerate(experiment.file.curves):
        for place, axis in enumerate(curve.axes):
            keys = ("curves", number, "axes", place)
            for each, path in enumerate(axis.paths):
                where = experiment.document.location((*keys, "paths", each))
                placed(copy.deepcopy(experiment.document.data), path, axis.values[0], where)
            for each, value in enumerate(axis.values):
                try:
                    experiment.with_values([(axis.paths, value)])
                except InputError as fault:
                    where = experiment.document.location((*keys, "values", each))
                    raise InputError(fault.what, where, fault.fix) from None


def _check_cycle(
    document: Document, made: Mapping[str, Measure], curves: Mapping[str, Curve]
) -> None:
    done: set[str] = set()

    def visit(name: str, chain: tuple[str, ...]) -> None:
        if name in chain:
            raise InputError(
                f"measures need one another: {' -> '.join([*chain, name])}.",
                document.location(("measures", name)),
            )
        if name not in done:
            chosen = getattr(made[name], "curve", None)
            through = {curves[chosen].measure} if isinstance(chosen, str) else set()
            for other in sorted(made[name].reads() | through):
                visit(other, (*chain, name))
            done.add(name)

    for name in made:
        visit(name, ())


def _check_file(document: Document, keys: tuple[str, str, str], name: str | None) -> None:
    if name is None or (document.path.parent / name).is_file():
        return
    fix = "Give its path from the folder of this file."
    if keys[-1] == "trace":
        fix = f"Make it: {_command(name)}"
    raise InputError(f"there is no file '{name}'.", document.location(keys), fix)


def _check_method(arguments: Mapping[str, Any], where: Location) -> None:
    from archsim.adaptation.registry import make_method

    rest = {key: value for key, value in arguments.items() if key != "kind"}
    try:
        make_method(str(arguments.get("kind")), rest)
    except InputError as fault:
        raise InputError(fault.what, where, fault.fix) from None


def _command(trace: str) -> str:
    """The command that makes a missing trace."""
    stem = Path(trace).name.removesuffix(".trace.json").removesuffix(".yaml")
    script = FOLDER.parent / "scripts" / f"trace_{stem}.py"
    if script.is_file():
        return f"python scripts/{script.name}"
    return f"archsim trace export hf-config {stem} -o {trace}"
