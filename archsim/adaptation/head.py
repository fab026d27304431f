"""The classifier at the end of a model: the one it has, or a new one."""

from __future__ import annotations

from archsim.adaptation.insertion import changed_trace
from archsim.errors import InputError
from archsim.trace.layer import channels
from archsim.trace.model import Trace
from archsim.trace.operators import Activation, Linear, Move, Softmax

NEW_CLASSES = 2  # of a new classifier unless told: the most frequent case in GLUE (our assumption)
HEAD = "head"


def classifier(trace: Trace) -> Linear | None:
    """The last layer with weights, if it is fully connected and no other work follows it."""
    for layer in reversed(trace.layers):
        if isinstance(layer, Linear):
            return layer
        if not isinstance(layer, Activation | Softmax | Move):
            return None
    return None


def with_classifier(trace: Trace, classes: int | None) -> tuple[Trace, Linear]:
    """The trace with a classifier of so many classes, and the classifier.

    None: the model's own, or a new one of NEW_CLASSES if it has none. A new one takes the place
    of the old and of what follows it. InputError for a model that generates text (its classifier
    chooses from the vocabulary) or has several outputs.
    """
    own = classifier(trace)
    if own is not None and classes in (None, own.out_features):
        return trace, own
    if trace.generation is not None:
        raise InputError(
            f"'{trace.name}' generates tokens: its last layer scores the vocabulary.",
            fix="Leave out classes.",
        )
    layers = list(trace.layers)
    if own is not None:
        layers = layers[: layers.index(own)]
    read = {name for layer in layers for name in layer.inputs}
    ends = [layer.name for layer in layers if layer.name not in read]
    source = own.inputs[0] if own is not None else ends[0]
    if own is None and len(ends) > 1:
        raise InputError(
            f"'{trace.name}' has several outputs ({', '.join(ends[:4])}): a classifier needs one."
        )
    if any(layer.name == HEAD for layer in layers):
        raise InputError(f"'{trace.name}' has a layer called '{HEAD}' already.")
    head = Linear(
        op="linear",
        name=HEAD,
        inputs=[source],
        in_features=channels(trace.shapes[source]),
        out_features=classes or NEW_CLASSES,
    )
    return changed_trace(trace, layers=[*layers, head]), head
