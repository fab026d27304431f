"""The names of a sweep: axes, derived values and constraints, checked before anything runs."""

from __future__ import annotations

from typing import Any

from archsim.arch.load import arch_from_document
from archsim.documents import Document
from archsim.documents.node import KeyPath
from archsim.errors import InputError, Location, nearest
from archsim.result import Result
from archsim.schema.expression import Expression, ExpressionError, parse_expression
from archsim.sweep.inputs import Inputs
from archsim.sweep.methods import METHOD, NONE, SWITCH_FIGURES, given_by, name_of, parameters
from archsim.sweep.model import Derived, Range, Search, Sweep
from archsim.sweep.paths import (
    RUN,
    TRACE,
    Target,
    arch_fields,
    arch_target,
    canonical,
    run_paths,
    run_target,
    suggest,
    trace_leaves,
)
from archsim.sweep.space import Axis, BadAxis, make_axis

FIGURES = tuple(
    name
    for name, field in Result.model_fields.items()
    if field.annotation in (int, float) and name not in ("archsim_result", "wall_s")
)
"""Figures of a Result that constraints and objectives may name."""

CHIP_FIGURES = ("area_mm2", "peak_tops")
"""Those that are known before a simulation, if the number of chips is."""


class Names:
    """Every name that an expression may use, and what it stands for.

    axes, derived: by canonical path, derived values in an order in which each comes after those
    that it reads; methods: kind and parameters by name; figures: those of a result that constraints
    and objectives may name. Raises InputError, at the place in the sweep file, for whatever does
    not fit.
    """

    def __init__(self, sweep: Sweep, document: Document, inputs: Inputs) -> None:
        self.sweep, self._document = sweep, document
        self._targets: dict[str, Target] = {}
        self._fields = arch_fields(arch_from_document(inputs.arch))
        self.trace_values = {name: trace_leaves(trace) for name, trace in inputs.traces.items()}
        self._check_methods()
        self.methods = given_by(sweep.methods)
        self.figures = FIGURES if NONE in self.methods else (*FIGURES, *SWITCH_FIGURES)
        kinds = {given["kind"] for given in self.methods.values()}
        self._parameters = [METHOD + name for name in sorted(set().union(*map(parameters, kinds)))]
        self.axes = self._make_axes()
        self._lists: set[str] = set()
        parsed = {
            canonical(name): self._parse_derived(name, given)
            for name, given in sweep.derived.items()
        }
        self._variables = {n for n in (*self.axes, *parsed) if not self._is_path(n)}
        self._check_derived(parsed)
        self.constraints = [
            self._parse(text, ("constraints", i)) for i, text in enumerate(sweep.constraints)
        ]
        for i, constraint in enumerate(self.constraints):
            self._check_names(constraint, ("constraints", i), figures=True)
        self.derived = self._in_order(parsed)
        self._check_use()
        self._check_strategy()

    def is_arch(self, name: str) -> bool:
        """Whether a name is a path into the architecture."""
        return name in self._fields

    def is_list(self, name: str) -> bool:
        """Whether a derived value is a list, such as the sides of an array."""
        return name in self._lists

    def is_setting(self, expression: Expression) -> bool:
        """Whether an expression can be evaluated before anything is simulated or loaded."""
        return not expression.names & set(self.figures)

    def target(self, name: str) -> Target:
        """The field of a path into the architecture or of a run option."""
        if name not in self._targets:
            run = name.startswith(RUN)
            self._targets[name] = run_target(name) if run else arch_target(name, self._fields)
        return self._targets[name]

    def read(self, name: str, value: Any) -> Any:
        """A value as the file spells it, in base units; BadValue."""
        if name.startswith(RUN) or self.is_arch(name):
            return self.target(name).read(value)
        return value

    def spelled(self, name: str, value: Any) -> Any:
        """A number in base units as a file would spell it."""
        return self.target(name).spelled(value) if self.is_arch(name) else value

    def _is_path(self, name: str) -> bool:
        if name.startswith(TRACE):
            path = name.removeprefix(TRACE)
            return all(path in values for values in self.trace_values.values())
        plain = name in ("trace", "method") or name in run_paths() or name in self._parameters
        return plain or self.is_arch(name)

    def _known(self) -> list[str]:
        first = next(iter(self.trace_values.values()))
        paths = (TRACE + path for path in first)
        return [*self._fields, *run_paths(), *self._parameters, *paths]

    def location(self, key: KeyPath) -> Location:
        """Where a key stands in the sweep file."""
        return self._document.location(key)

    def _error(self, what: str, key: KeyPath, fix: str | None = None) -> InputError:
        return InputError(what, self._document.location(key), fix)

    def _check_methods(self) -> None:
        seen: set[str] = set()
        for i, entry in enumerate(self.sweep.methods):
            try:
                name = name_of(entry)
            except InputError as fault:
                raise self._error(fault.what, ("methods", i), fault.fix) from None
            if name in seen:
                raise self._error(
                    f"the list names the method '{name}' twice.", ("methods", i), "Remove it."
                )
            seen.add(name)

    def _make_axes(self) -> dict[str, Axis]:
        axes: dict[str, Axis] = {}
        choices = (("trace", self.sweep.traces), ("method", list(self.methods)))
        for name, values in choices:
            if len(set(values)) < len(values):
                raise self._error(f"the list names one {name} twice.", (f"{name}s",), "Remove it.")
            if len(values) > 1:
                axes[name] = Axis(name, tuple(values))
        for name, given in self.sweep.axes.items():
            key, path = ("axes", name), canonical(name)
            if path in ("trace", "method"):
                raise self._error(f"'{path}' is not an axis.", key, f"List them under '{path}s'.")
            if path in axes:
                raise self._error(f"'{path}' is an axis already.", key, "Keep one of them.")
            if "." in path and not self._is_path(path):
                raise self._error(
                    f"there is no value '{path}' to set.", key, suggest(path, self._known())
                )
            self._check_parameter(path, key)
            try:
                axes[path] = make_axis(path, given)
            except BadAxis as fault:
                raise self._error(str(fault), key) from None
            grid = self.sweep.strategy.kind == "grid"
            if isinstance(given, Range) and axes[path].values is None and grid:
                raise self._error(
                    f"'{path}' is a range without a number of values, which a grid needs.",
                    key,
                    "Add `steps: 5`, or `step:` with the distance of two values.",
                )
        if not axes:
            raise self._error("the sweep has no axes.", ("axes",), "Give at least one axis.")
        return axes

    def _check_parameter(self, path: str, key: KeyPath) -> None:
        """One place alone may set a parameter of a method."""
        name = path.removeprefix(METHOD)
        for i, given in enumerate(self.methods.values()):
            if path in self._parameters and name in given:
                raise self._error(
                    f"the method '{given['kind']}' has its own '{name}' in line "
                    f"{self.location(('methods', i, name)).line}.",
                    key,
                    "Keep one of them.",
                )

    def _parse(self, text: Any, key: KeyPath) -> Expression:
        try:
            return parse_expression(text)
        except ExpressionError as fault:
            raise self._error(f"{fault}.".replace("..", "."), key) from None

    def _parse_derived(self, name: str, given: Any) -> tuple[Expression, ...]:
        value = given.value if isinstance(given, Derived) else given
        key, path = ("derived", name), canonical(name)
        if path in self.axes:
            raise self._error(f"'{path}' is an axis as well.", key, "Keep one of them.")
        if path in ("trace", "method") or ("." in path and not self._is_path(path)):
            raise self._error(
                f"there is no value '{path}' to set.", key, suggest(path, self._known())
            )
        self._check_parameter(path, key)
        if isinstance(value, list):
            self._lists.add(path)
        texts = value if isinstance(value, list) else [value]
        return tuple(self._parse(text, key) for text in texts)

    def _check_derived(self, parsed: dict[str, tuple[Expression, ...]]) -> None:
        for name in self.sweep.derived:
            for expression in parsed[canonical(name)]:
                self._check_names(expression, ("derived", name), figures=False)

    def _check_names(self, expression: Expression, key: KeyPath, *, figures: bool) -> None:
        for name in sorted(expression.names):
            if self._is_path(name) or name in self._variables or (figures and name in self.figures):
                continue
            if name in self.figures:
                what = f"'{name}' is a result, which no derived value can use."
                raise self._error(what, key)
            self._check_switch_figure(name, key)
            known = [*self._known(), *self._variables, *(self.figures if figures else ())]
            raise self._error(
                f"'{name}' in '{expression.text}' is not known.", key, suggest(name, known)
            )

    def _check_switch_figure(self, name: str, key: KeyPath) -> None:
        if name in SWITCH_FIGURES and name not in self.figures:
            raise self._error(
                f"'{name}' is a figure of adaptation methods, and '{NONE}' has none.",
                key,
                f"Take '{NONE}' out of the methods.",
            )

    def _in_order(
        self, parsed: dict[str, tuple[Expression, ...]]
    ) -> dict[str, tuple[Expression, ...]]:
        ordered: dict[str, tuple[Expression, ...]] = {}
        waiting = dict(parsed)
        while waiting:
            ready = [
                name
                for name, expressions in waiting.items()
                if not any(e.names & (waiting.keys() - self._own(name)) for e in expressions)
            ]
            if not ready:
                raise self._error(
                    f"these derived values need each other: {', '.join(waiting)}.", ("derived",)
                )
            for name in ready:
                ordered[name] = waiting.pop(name)
        return ordered

    def _own(self, name: str) -> set[str]:
        """The name itself if it is a path, which then stands for the base's own value."""
        return {name} if self._is_path(name) else set()

    def _check_use(self) -> None:
        """A plain name that nothing reads is most likely a misspelt path."""
        everything = [e for es in self.derived.values() for e in es] + self.constraints
        read = {name for expression in everything for name in expression.names}
        for name in sorted(self._variables - read):
            group = "axes" if name in self.axes else "derived"
            raise self._error(
                f"'{name}' is no value of the architecture, and no derived value or constraint "
                "reads it.",
                (group, name),
                suggest(name, self._known()),
            )

    def _check_strategy(self) -> None:
        strategy = self.sweep.strategy
        if not isinstance(strategy, Search):
            return
        for i, objective in enumerate(strategy.objectives):
            name = objective.removeprefix("max:").removeprefix("min:")
            if name not in self.figures:
                key = ("strategy", "objectives", i)
                self._check_switch_figure(name, key)
                raise self._error(
                    f"'{name}' is not a figure of a result.", key, nearest(name, self.figures)
                )
