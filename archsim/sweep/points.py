"""Points: from the values of the axes to what is simulated, with a content hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from archsim.arch.load import arch_from_document
from archsim.errors import InputError
from archsim.options import DEFAULT_RUN, RunOptions
from archsim.schema.expression import Expression, ExpressionError
from archsim.simulation import content_hash
from archsim.sweep.inputs import Inputs, fault_text, numbers_only, tool_version, with_value
from archsim.sweep.methods import METHOD, content, parameter, parameters
from archsim.sweep.names import Names
from archsim.sweep.paths import RUN, TRACE, BadValue, arch_value, content_path, costed_paths

Settings = Mapping[str, Any]
OK, INVALID, EXCLUDED, FAILED = "ok", "invalid", "excluded", "failed"


@dataclass(frozen=True)
class Point:
    """One point of the space. `status` is empty as long as only a simulation can tell.

    settings: axes and derived values as the table shows them; arch, trace_sets: values by path, as
    a file would spell them; adaptation: content of the method, empty for none; options: of
    the run; key: content hash of all that its result depends on;
    structure: equal for points that differ in costs alone.
    """

    index: int
    settings: dict[str, Any]
    arch: dict[str, Any] = field(default_factory=dict)
    trace: str = ""
    trace_sets: dict[str, Any] = field(default_factory=dict)
    method: str = "none"
    adaptation: dict[str, Any] = field(default_factory=dict)
    options: RunOptions = DEFAULT_RUN
    key: str = ""
    structure: str = ""
    status: str = ""
    reason: str = ""


class Planner:
    """Makes points of a sweep from settings of its axes."""

    def __init__(self, names: Names, inputs: Inputs) -> None:
        self._names, self._inputs = names, inputs
        self._arch = arch_from_document(inputs.arch)
        # Without what cost models filled in, which a typed number of the same value is not.
        self._content = numbers_only(
            self._arch.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        )
        self._costed = costed_paths(self._arch)
        self._hashes: dict[tuple[str, str], str] = {}

    def point(self, index: int, settings: Settings) -> Point:
        """A point with all derived values, its key, and its status if no simulation is needed."""
        shown = dict(settings)
        try:
            values = _Values(self, dict(settings))
            for name, expressions in self._names.derived.items():
                shown[name] = values.derive(name, expressions) if values.takes(name) else None
            shown = {name: value if values.takes(name) else None for name, value in shown.items()}
            point = values.split(index, shown)
            reasons = [
                f"not met: {constraint.text}"
                for constraint in self._names.constraints
                if self._names.is_setting(constraint) and not constraint.value(values)
            ]
            if reasons:
                return replace(point, status=EXCLUDED, reason="; ".join(reasons))
            return replace(point, key=self._key(point, values), structure=self._structure(point))
        except (BadValue, ExpressionError) as fault:
            return Point(index, shown, status=INVALID, reason=str(fault))
        except InputError as fault:
            return Point(index, shown, status=INVALID, reason=fault_text(fault))

    def _key(self, point: Point, values: _Values) -> str:
        architecture = self._content
        for path in point.arch:
            target = self._names.target(path)
            value = target.adapter.dump_python(values.known[path], mode="json")
            architecture = with_value(architecture, content_path(path), value)
        method = point.adaptation or point.method
        options = point.options.model_dump()
        whole = [architecture, self._trace_hash(point), method, options, tool_version()]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()

    def _structure(self, point: Point) -> str:
        shape = {path: value for path, value in point.arch.items() if path not in self._costed}
        run = point.options.model_dump()
        return json.dumps(
            [shape, point.trace, point.trace_sets, point.adaptation, run], sort_keys=True
        )

    def _trace_hash(self, point: Point) -> str:
        at = (point.trace, json.dumps(point.trace_sets, sort_keys=True))
        if at not in self._hashes:
            trace = self._inputs.trace_with(point.trace, point.trace_sets)
            self._hashes[at] = content_hash(trace)
        return self._hashes[at]

    def base_value(self, name: str) -> Any:
        """The value that a path has where no axis sets it."""
        if name.startswith(RUN):
            return getattr(self._names.sweep.run, name.removeprefix(RUN))
        return arch_value(self._arch, name)

    def trace_value(self, trace: str, path: str) -> Any:
        """The value at a path of a trace as it was given."""
        return self._names.trace_values[trace][path]

    @property
    def names(self) -> Names:
        return self._names


class _Values:
    """The values of one point by name, in base units; callable as an expression's lookup."""

    def __init__(self, planner: Planner, settings: dict[str, Any]) -> None:
        self._planner, self._names = planner, planner.names
        sweep = self._names.sweep
        settings.setdefault("trace", sweep.traces[0])
        settings.setdefault("method", next(iter(self._names.methods)))
        self._method = self._names.methods[settings["method"]]
        self._own = parameters(self._method["kind"])
        self._spelled = {name: value for name, value in settings.items() if self.takes(name)}
        self.known = {name: self._names.read(name, v) for name, v in self._spelled.items()}

    def __call__(self, name: str) -> Any:
        if name not in self.known:
            if name.startswith(TRACE):
                trace, path = self._spelled["trace"], name.removeprefix(TRACE)
                self.known[name] = self._planner.trace_value(trace, path)
            elif name.startswith(METHOD):
                self.known[name] = parameter(content(self._method, {}), name)
            else:
                self.known[name] = self._planner.base_value(name)
        return self.known[name]

    def derive(self, name: str, expressions: tuple[Expression, ...]) -> Any:
        """Work out and keep a derived value; returns it as a file would spell it."""
        found = [_tidy(expression.value(self)) for expression in expressions]
        value = found if self._names.is_list(name) else found[0]
        spelled = self._names.spelled(name, value)
        self._spelled[name] = spelled
        self.known[name] = self._names.read(name, spelled)
        return spelled

    def takes(self, name: str) -> bool:
        """Whether a value is anything to the point: not if it is a parameter of other methods."""
        return not name.startswith(METHOD) or name.removeprefix(METHOD) in self._own

    def split(self, index: int, shown: dict[str, Any]) -> Point:
        """The point, with each value at the place where it belongs."""
        arch, trace_sets, method_sets = {}, {}, {}
        options: dict[str, Any] = {}
        for name, value in self._spelled.items():
            if name.startswith(RUN):
                options[name.removeprefix(RUN)] = self.known[name]
            elif name.startswith(TRACE):
                trace_sets[name.removeprefix(TRACE)] = value
            elif name.startswith(METHOD):
                method_sets[name.removeprefix(METHOD)] = value
            elif self._names.is_arch(name):
                arch[name] = value
        return Point(
            index,
            shown,
            arch,
            trace=self._spelled["trace"],
            trace_sets=trace_sets,
            method=self._spelled["method"],
            adaptation=content(self._method, method_sets),
            options=self._names.sweep.run.model_copy(update=options),
        )


def _tidy(value: Any) -> Any:
    """A whole number as an int, so that `8 * 128 / 2` is a count."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def together(points: Iterable[Point]) -> list[Point]:
    """Points of one structure one after another, in the order of the first of each."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.structure, []).append(point)
    return [point for group in groups.values() for point in group]
