"""The same mapping of the model under every method, with room for what the methods add.

A method that adds a layer would else take PEs that copies of other layers had, and its price would
be that of those copies. So the PEs that the largest addition needs stay free for all methods alike.
"""

from __future__ import annotations

from collections.abc import Iterable

from archsim.adaptation.adapted import Adapted
from archsim.arch.model import Architecture
from archsim.errors import InputError
from archsim.mapping.choice import Choice
from archsim.mapping.copies import layers_of
from archsim.mapping.cost import Costs
from archsim.mapping.graph import operations
from archsim.mapping.needs import needs_of
from archsim.mapping.options import MapOptions
from archsim.mapping.plan import Plan, plan
from archsim.trace.model import Trace

MOST_ROUNDS = 8


def common_choice(
    arch: Architecture, trace: Trace, adapted: Iterable[Adapted], options: MapOptions
) -> Choice | None:
    """How often the layers of the unadapted model stand on the chip, whatever the method.

    None where nothing is copied, where the number of chips is open, or where the model does not
    fit: then each method is mapped by itself.
    """
    if not options.replicate or options.most_chips is None or options.choice is not None:
        return options.choice
    methods, reserve = list(adapted), 0
    for _ in range(MOST_ROUNDS):
        trial = options.model_copy(update={"choice": Choice(reserve=reserve)})
        try:
            base = plan(arch, trace, operations(trace), trial)
        except InputError:
            return None
        more = max((_added(arch, one, base) for one in methods), default=0)
        if more <= reserve:
            break
        reserve = more
    return base.choice()


def _added(arch: Architecture, one: Adapted, base: Plan) -> int:
    """PEs of the layers that a method adds, with the copies that keep the base's pace."""
    ops = operations(one.trace, one.placement.groups)
    try:
        needs = needs_of(arch, one.trace, ops, one.placement)
    except InputError:
        return 0  # unfit for other reasons, which its own run will name
    known = base.choice().shares.keys()
    pes = base.chips * arch.chip.tile.count * arch.chip.tile.pe.count
    layers = layers_of(Costs(arch, ops, needs), needs, pes)
    return sum(
        layer.size * layer.lanes[layer.at(base.interval)]
        for layer in layers
        if ops[layer.index].name not in known
    )
