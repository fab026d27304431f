"""The values of an experiment's measures; what runs alike is simulated once."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from archsim.errors import InputError
from archsim.options import FIGURES_ALONE, RunOptions
from archsim.reproduce.curves import Placed, combinations
from archsim.reproduce.experiment import AxisValue, Chip, Curve, ModelChoice
from archsim.reproduce.load import Experiment
from archsim.reproduce.store import Store

if TYPE_CHECKING:
    from archsim.adaptation.adapted import Adapted
    from archsim.adaptation.evaluate import Switch
    from archsim.adaptation.learn import Step
    from archsim.arch.model import Architecture
    from archsim.learning.work import LearningWork
    from archsim.result import Result
    from archsim.trace.model import Trace

T = TypeVar("T")


class Bench:
    """Loads what an experiment names, simulates, and keeps the values of its measures.

    store: where values are kept between runs; shared: what other variants of the same experiment
    loaded and simulated, by what it was made of.
    """

    def __init__(
        self, experiment: Experiment, store: Store | None = None, shared: Bench | None = None
    ) -> None:
        self.experiment = experiment
        self.store = store or Store(None)
        self._simulated: dict[str, Any] = shared._simulated if shared else {}
        self._loaded: dict[str, Any] = shared._loaded if shared else {}
        self._variants: dict[str, Bench] = {}

    def value(self, name: str) -> float:
        """The value of a measure by its name; InputError says which measure could not be had."""
        key = self.key(name)
        known = self.store.get(key)
        if known is not None:
            return known
        try:
            found = float(self.experiment.measures[name].value(self))
        except InputError as fault:
            where = fault.where or f"measure '{name}' of {self.experiment.system}"
            raise InputError(fault.what, where, fault.fix) from None
        self.store.put(key, found)
        return found

    def key(self, name: str) -> str:
        """SHA-256 of all that the value of a measure depends on: content, not names or layout."""
        return _digest(self._content(name))

    def _content(self, name: str) -> dict[str, Any]:
        measure = self.experiment.measures[name]
        content: dict[str, Any] = {"measure": measure.model_dump(mode="json"), "code": code_hash()}
        if isinstance(chip := getattr(measure, "chip", None), str):
            content["chip"] = self.chip_hash(chip)
            content["measure"]["chip"] = None
        if isinstance(model := getattr(measure, "model", None), str):
            content["model"] = self.model_hash(model)
            content["measure"]["model"] = None
        if isinstance(method := getattr(measure, "method", None), str):
            content["method"] = self._method(method)
            content["measure"]["method"] = None
        if isinstance(gpu := getattr(measure, "gpu", None), str):
            content["gpu"] = self.gpu_hash(gpu)
        if isinstance(curve := getattr(measure, "curve", None), str):
            content["points"] = [
                [
                    [value for _, value in point],
                    other._content(self.experiment.curve(curve).measure),
                ]
                for point, other in self.points(curve, getattr(measure, "where", {}))
            ]
            content["measure"] |= {"curve": None, "where": None}
        content["reads"] = {other: self._content(other) for other in sorted(measure.reads())}
        return content

    # --- curves ----------------------------------------------------------------------------

    def curve(self, name: str) -> Curve:
        """A curve as the file has it."""
        return self.experiment.curve(name)

    def points(
        self, curve: str, where: Mapping[str, AxisValue] | None = None
    ) -> Iterator[tuple[Placed, Bench]]:
        """Every combination of a curve's axes with the bench of the experiment that has it.

        where: axes, by name, held at one value.
        """
        for point in combinations(self.experiment.curve(curve), where):
            key = _digest([[axis.paths, value] for axis, value in point])
            if key not in self._variants:
                changed = self.experiment.with_values([(axis.paths, v) for axis, v in point])
                self._variants[key] = Bench(changed, self.store, self)
            yield point, self._variants[key]

    # --- what names stand for --------------------------------------------------------------

    def chip(self, name: str) -> Architecture:
        """An architecture of the experiment, with its changes."""
        from archsim.reproduce.materials import make_chip

        chosen = self.experiment.file.chips[name]
        return self._load("chip", chosen, lambda: make_chip(chosen, self.experiment.folder))

    def model(self, name: str) -> Trace:
        """A trace of the experiment."""
        from archsim.reproduce.materials import make_model

        chosen = self.experiment.file.models[name]
        return self._load("model", chosen, lambda: make_model(chosen, self.experiment.folder))

    def chip_hash(self, name: str) -> str:
        """Content hash of an architecture."""
        from archsim.simulation import content_hash

        chosen = self.experiment.file.chips[name]
        return self._load("chip hash", chosen, lambda: content_hash(self.chip(name)))

    def model_hash(self, name: str) -> str:
        """Content hash of a trace."""
        from archsim.simulation import content_hash

        chosen = self.experiment.file.models[name]
        return self._load("model hash", chosen, lambda: content_hash(self.model(name)))

    def gpu_hash(self, name: str) -> str:
        """Content hash of a GPU's data sheet."""
        from archsim.gpu.load import load_gpu
        from archsim.simulation import content_hash

        return content_hash(load_gpu(name))

    def _load(self, what: str, chosen: Chip | ModelChoice, make: Callable[[], T]) -> T:
        """What was chosen in the file, loaded once for all variants."""
        key = _digest([what, chosen.model_dump(mode="json")])
        if key not in self._loaded:
            self._loaded[key] = make()
        found: T = self._loaded[key]
        return found

    # --- simulations -----------------------------------------------------------------------

    def adapted(self, chip: str, model: str, method: str | None) -> Adapted:
        """The model as a method prepares it for a chip; None: as it is."""
        from archsim.adaptation.adapted import Adapted
        from archsim.adaptation.registry import make_method

        if method is None:
            return Adapted(self.model(model), (), 0, 0, frozenset())
        arguments = dict(self._method(method))
        made = make_method(arguments.pop("kind"), arguments)
        key = ["adapted", *self._made_of(chip, model, method)]
        return self._once(key, lambda: made.adapt(self.model(model), self.chip(chip)))

    def inference(
        self,
        chip: str,
        model: str,
        method: str | None,
        run: RunOptions,
    ) -> Result:
        """Inferences of a model, simulated."""
        from archsim.simulation import simulate

        adapted = self.adapted(chip, model, method)
        key = ["inference", *self._made_of(chip, model, method), run.model_dump()]
        return self._once(
            key,
            lambda: simulate(
                self.chip(chip),
                adapted.trace,
                run,
                placement=adapted.placement,
                outputs=FIGURES_ALONE,
            ),
        )

    def switch(
        self,
        chip: str,
        model: str,
        method: str,
        run: RunOptions,
        *,
        once: bool,
    ) -> Switch:
        """A change of task, or what is written before the first one, simulated."""
        from archsim.adaptation.evaluate import write

        adapted = self.adapted(chip, model, method)
        key = ["switch", *self._made_of(chip, model, method), once, run.model_dump()]
        rewrites = adapted.once if once else adapted.switch
        return self._once(key, lambda: write(self.chip(chip), adapted, rewrites, run))

    def step(self, chip: str, model: str, method: str, work: LearningWork) -> Step:
        """One training step on as many chips as it needs, simulated."""
        from archsim.adaptation.learn import chip_step

        key = ["step", *self._made_of(chip, model, method), work.batch, work.optimizer]
        adapted = self.adapted(chip, model, method)
        return self._once(key, lambda: chip_step(self.chip(chip), adapted, work))

    def _method(self, name: str) -> Mapping[str, Any]:
        return self.experiment.file.methods[name]

    def _made_of(self, chip: str, model: str, method: str | None) -> list[Any]:
        arguments = None if method is None else dict(self._method(method))
        return [self.chip_hash(chip), self.model_hash(model), arguments]

    def _once(self, key: list[Any], make: Callable[[], T]) -> T:
        digest = _digest(key)
        if digest not in self._simulated:
            self._simulated[digest] = make()
        found: T = self._simulated[digest]
        return found


@functools.cache
def code_hash() -> str:
    """SHA-256 of archsim's own source files: kept values are those of this very code."""
    folder = Path(__file__).resolve().parents[1]
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        total.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return total.hexdigest()


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
