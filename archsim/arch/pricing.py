"""Cost models at work: what a file leaves out is filled in from structure, node and supply."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from archsim.arch.model import Architecture, Level, Priced
from archsim.arch.pe import roles
from archsim.components.base import Component
from archsim.cost_models.base import CostModel, MissingParameter, OutOfRange, Price, Structure
from archsim.cost_models.technology import SOURCE, Technology
from archsim.documents import Document
from archsim.errors import InputError

CONTRADICTION = 10.0
"""A typed number further than this from what a model says draws a warning."""


def fill_prices(arch: Architecture, document: Document) -> None:
    """Fill in, in place, what the cost models of a validated architecture say of its parts.

    Energies go to the fields named after their actions, or into the power at full activity; static
    power and area, and the fields that a model names, follow. A typed number stays. InputError for
    a model on the wrong kind of part, without a parameter, out of its range, or that leaves a
    field without a value.
    """
    found: list[Priced] = []
    pe = roles(arch.chip.tile.pe)
    # Others may need what the array's model fills in, such as the time of a read.
    places = [
        (f"{p}.{name}", level) for p, (level, _) in arch.levels().items() for name in level.parts
    ]
    places.sort(key=lambda place: place[0] != f"chip.tile.pe.{pe.names['array']}")
    array: Component = pe.array
    for path, level in places:
        name = path.rpartition(".")[2]
        part = level.parts[name]
        if part.cost is None:
            continue
        filled, rows = _filled(arch, path, part, array, document)
        _put(level, name, filled)
        found += rows
        array = filled if part is array else array
    arch._priced = tuple(found)


def contradictions(arch: Architecture) -> list[str]:
    """A sentence for every typed cost that is over ten times off what its model says.

    Times are left out: a model says how fast a part can be, and a file how fast it is run.
    """
    return [
        f"{row.path}.{row.field} is {row.typed:.4g}, and its model '{row.model}' says "
        f"{row.value:.4g}: {row.ratio:.3g} times apart."
        for row in arch.priced
        if row.ratio > CONTRADICTION and row.field not in ("rate", "clock", "read_time", "pulse")
    ]


def _put(level: Level, name: str, part: Component) -> None:
    assert level.__pydantic_extra__ is not None
    level.__pydantic_extra__[name] = part


def _filled(
    arch: Architecture, path: str, part: Component, array: Component, document: Document
) -> tuple[Component, list[Priced]]:
    model = cast(CostModel, part.cost)
    key = (*path.split("."), "cost")
    kind, name = part.kind, model.model  # type: ignore[attr-defined]
    if kind not in model.kinds:
        raise InputError(
            f"the cost model '{name}' does not price a part of kind '{kind}'.",
            document.location((*key, "model")),
            f"It prices: {', '.join(sorted(model.kinds))}.",
        )
    structure = Structure((lambda field: _known(part, field), lambda field: _known(array, field)))
    try:
        price = model.scaled(structure, Technology(arch.technology, arch.supply))
    except MissingParameter as missing:
        raise InputError(
            f"the cost model '{name}' needs '{missing}', and neither it nor the part has one.",
            document.location(key),
            f"Give `{missing}:` beside `model: {name}`.",
        ) from None
    except OutOfRange as beyond:
        raise InputError(
            f"the cost model '{name}' cannot say: {beyond}.",
            document.location(key),
            "Stay in the range, or type the numbers instead of naming a model.",
        ) from None
    said = dict(_fields(part, price))
    typed = part.model_fields_set
    changes = {field: value for field, value in said.items() if field not in typed}
    filled = part.model_copy(update=changes)
    filled.model_fields_set.difference_update(changes)
    filled._filled = frozenset(changes)
    filled.refresh()
    _complete(filled, said, document, path)
    rows = [
        Priced(
            path=path,
            field=field,
            model=name,
            value=value,
            typed=getattr(part, field) if field in typed else None,
            fitted=model.scale_of(field) != 1.0,
            source=f"{model.source}; {SOURCE}",
        )
        for field, value in said.items()
    ]
    return filled, rows


def _known(part: Component, field: str) -> Any:
    """A field of a part, unless it is a placeholder that a model has yet to fill."""
    declared = type(part).model_fields.get(field)
    known = field in part.model_fields_set or field in part._filled
    if declared is not None and declared.is_required() and not known:
        return None
    return getattr(part, field, None)


def _fields(part: Component, price: Price) -> Iterator[tuple[str, float]]:
    """Fields of the part with what the price makes of them."""
    fields = type(part).model_fields
    for field, value in price.fields.items():
        if field in fields:
            yield field, value
    if price.area is not None:
        yield "area", price.area
    update = {field: value for field, value in price.fields.items() if field in fields}
    update = {k: v for k, v in update.items() if k not in part.model_fields_set}
    probe = part.model_copy(update={**update, "power": 1.0, "static_share": 0.0})
    joules_per_watt = probe.energies()
    power = 0.0
    for action, joules in price.energies.items():
        if f"{action}_energy" in fields:
            yield f"{action}_energy", joules
        elif action in joules_per_watt:
            power += joules / joules_per_watt[action]
    if (power or price.static) and "power" not in price.fields:
        yield "power", power + price.static
        if "static_share" not in part.model_fields_set and "power" not in part.model_fields_set:
            yield "static_share", price.static / (power + price.static)


def _complete(part: Component, said: dict[str, float], document: Document, path: str) -> None:
    """InputError for a required field that neither the file nor the model gives."""
    for field, declared in type(part).model_fields.items():
        if declared.is_required() and field not in part.model_fields_set and field not in said:
            raise InputError(
                f"'{field}' is missing, and the cost model does not say it.",
                document.location((*path.split("."), field)),
                f"Add `{field}:`.",
            )
