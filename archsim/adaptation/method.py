"""The base of all adaptation methods, and how a method names the layers it works on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.head import classifier
from archsim.adaptation.roles import is_adapter, module_of, roles, with_roles
from archsim.arch.model import Architecture
from archsim.errors import InputError
from archsim.schema import Model
from archsim.trace.model import Trace
from archsim.trace.operators import Layer, Linear, MatMul

ATTENTION = ("query", "value")


class Method(Model):
    """An adaptation method with its parameters; `kind` is its name on the command line.

    A subclass has a docstring that cites the paper, `title`, and `adapt`.
    """

    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        """What the method makes of a trained model; InputError if the chip or model is unfit."""
        raise NotImplementedError


Modules = Annotated[
    tuple[str, ...] | None,
    Field(description="last part of the names of the layers to adapt, e.g. query, value"),
]


def weight_layers(trace: Trace) -> list[Layer]:
    """The layers whose weights stay in arrays; InputError if there is none."""
    found = [layer for layer in trace.layers if layer.stationary]
    if not found:
        raise InputError(f"'{trace.name}' has no layer with weights to adapt.")
    return found


def targets(
    trace: Trace,
    modules: tuple[str, ...] | None,
    *,
    usual: Iterable[str] = ATTENTION,
    linear: bool = False,
) -> list[Layer]:
    """Layers with weights whose name ends in one of the modules.

    Without modules: those with a role in `usual` (archsim.adaptation.roles); in a model without
    attention every fully connected layer but the classifier, unless that is all there is. Layers
    of an adapter are among them only if named. linear: fully connected layers only. InputError
    lists the valid modules for an unknown one.
    """
    layers = [layer for layer in weight_layers(trace) if not linear or isinstance(layer, Linear)]
    known = {module_of(layer.name) for layer in layers if not is_adapter(layer.name)}
    if not layers:
        raise InputError(
            f"'{trace.name}' has no fully connected layer to adapt.", fix="Use another method."
        )
    if modules is not None:
        for module in modules:
            if module not in known:
                raise InputError(
                    f"no layer of '{trace.name}' is called '{module}'.",
                    fix=f"Modules with weights: {', '.join(sorted(known)[:20])}.",
                )
        return [layer for layer in layers if module_of(layer.name) in modules]
    chosen = with_roles(trace, usual)
    if chosen:
        return [layer for layer in layers if layer.name in chosen]
    head = classifier(trace)
    inner = [x for x in layers if x is not head and not is_adapter(x.name)]
    if any(isinstance(layer, MatMul) for layer in trace.layers):
        raise InputError(
            f"it is not clear which layers of '{trace.name}' are {' and '.join(usual)}.",
            fix=f"Give modules; those with weights: {', '.join(sorted(known)[:20])}.",
        )
    return inner or layers


def adapts(trace: Trace, names: Iterable[str], *, own: bool = False) -> str:
    """What a result says of the adapted layers: how many, and which roles or modules they are.

    own: the trace came with the adapters.
    """
    chosen = list(names)
    known = roles(trace)
    kinds = list(dict.fromkeys(known.get(name) or module_of(name) for name in chosen))
    listed = ", ".join(kinds[:6]) + (f" and {len(kinds) - 6} more" if kinds[6:] else "")
    came = " (with the adapters of the trace)" if own else ""
    return f"{len(chosen)} layer{'s' if len(chosen) > 1 else ''}: {listed}{came}"


def block_of(name: str) -> str | None:
    """The block that a layer belongs to: `block3` or `layer1.0`, up to its first numbers."""
    found = re.match(r"\D*\d+(\.\d+)*(?=\.)", name)
    return found.group() if found else None


def weight_bits(layers: Iterable[Layer], trace: Trace) -> int:
    """Bits of all weights of some layers, each layer at its own width."""
    return sum(
        layer.parameters() * (layer.weight_bits or trace.precision.weight) for layer in layers
    )
