"""What may be chosen about a mapping, and how a caller states it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, ValidationError

from archsim.errors import InputError, nearest
from archsim.mapping.choice import Choice
from archsim.schema import Model
from archsim.schema.units import Count

Chips = Annotated[
    Count | Literal["auto"], BeforeValidator(lambda given: "auto" if given is None else given)
]
"""A number of chips, or 'auto' (in Python also None): as many as the model needs."""

Chosen = TypeVar("Chosen", bound="MapOptions")


class MapOptions(Model):
    """What the mapping reads: a Program depends on these beside the chip, the model and the batch.

    chips: how many to use; replicate: copy early layers to balance the pipeline; choice: how often
    layers stand there, in place of what the rules choose; weights: resident, or written in turns as
    the layers need them; auto: in turns where the cells are those of digital macros and one chip is
    too small. A new option is one field here; it reaches every caller, the key of remembered runs
    and the Result's inputs.
    """

    chips: Chips = 1
    replicate: bool = True
    choice: Choice | None = None
    weights: Literal["auto", "resident", "turns"] = "auto"

    @property
    def most_chips(self) -> int | None:
        """The number of chips; None for as many as the model needs."""
        return None if self.chips == "auto" else self.chips

    def on(self, chips: int) -> Self:
        """The same options on a number of chips that is known by now."""
        return self.model_copy(update={"chips": chips})

    def only(self, kind: type[Chosen]) -> Chosen:
        """Those of these options that `kind` has too: no option of a subclass."""
        names = kind.model_fields.keys() & type(self).model_fields.keys()
        return kind(**{name: getattr(self, name) for name in names})


DEFAULT_MAP = MapOptions()


def chosen(kind: type[Chosen], options: Chosen | None, by_name: Mapping[str, Any]) -> Chosen:
    """Options as a Python caller gives them: as one object, by name, or both; names win.

    TypeError for a name that is no option, InputError for a value that it does not take.
    """
    for name in by_name.keys() - kind.model_fields.keys():
        raise TypeError(f"there is no option '{name}'. {nearest(name, kind.model_fields)}")
    base = {} if options is None else {n: getattr(options, n) for n in options.model_fields_set}
    try:
        return kind(**{**base, **by_name})
    except ValidationError as fault:
        error = fault.errors(include_url=False)[0]
        message = error["msg"].removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
        raise InputError(f"the option '{error['loc'][0]}': {message}.") from None
