"""What a Result says about the values that its energies were worked out with."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.arch.model import Architecture
from archsim.arch.pe import roles
from archsim.components.crossbar import Crossbar
from archsim.components.values import Values
from archsim.costing.energy import Energy
from archsim.result import ValueFactors

NAMED = 3  # layers that a sentence names before it counts the others


def value_factors(
    arch: Architecture, values: Mapping[str, Values], energy: Energy
) -> dict[str, ValueFactors]:
    """The factors of every layer whose weights stay in arrays."""
    array = roles(arch.chip.tile.pe).array

    def conductance(found: Values) -> float | None:
        return array.mean_conductance(found) if isinstance(array, Crossbar) else None

    return {
        layer: ValueFactors(
            inputs=found.inputs,
            weights=found.weights,
            one_density=found.one_density,
            mean_level=found.level,
            mean_conductance_s=conductance(found),
            factors={
                f"{path}.{action}": factor
                for (path, action), factor in energy.factors.get(layer, {}).items()
            },
        )
        for layer, found in values.items()
    }


def describe(values: Mapping[str, Values], energy: Energy, unmeasured: Energy, asked: bool) -> str:
    """Which layers had statistics and what they change, to follow the words 'Value statistics'."""
    if not values:
        return "do not apply: no layer has its weights in arrays"
    if not asked:
        return "not used: inputs and weights are costed as uniform random codes"
    bare = {
        word: [layer for layer, found in values.items() if not getattr(found, word)]
        for word in ("inputs", "weights")
    }
    if all(len(layers) == len(values) for layers in bare.values()):
        return "absent from the trace: inputs and weights are costed as uniform random codes"
    text = f"used for {len(values)} layers in arrays"
    for word, layers in bare.items():
        if layers:
            more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
            named = ", ".join(layers[:NAMED])
            text += f", except the {word} of {named}{more} (uniform random codes)"
    dynamic, usual = (found.total - found.static for found in (energy, unmeasured))
    if usual:
        text += f"; dynamic energy is {100 * (dynamic / usual - 1):+.1f} % against random codes"
    return text
