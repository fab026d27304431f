"""How much of a model one inference runs: positions, sequences, the head."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.errors import InputError

OPTIONS = {
    "seq": "--seq",
    "decode": "--decode",
    "sequences": "--sequences",
    "past": "--past",
    "image": "--image",
    "head": "--no-head",
}


@dataclass(frozen=True)
class Extent:
    """What the user may choose for a model of given sizes.

    seq: positions of each sequence that are there at once (a prompt, a sentence, a session);
    decode: positions generated after them, one after another; sequences: how many run together;
    past: positions whose keys and values are already in a cache; image: height and width in
    pixels, in place of the configuration's; head: whether the layers behind the body are there.
    """

    seq: int | None = None
    decode: int = 0
    sequences: int = 1
    past: int = 0
    image: int | None = None
    head: bool = True

    def require(self, model: str, *fields: str) -> None:
        """InputError if anything but `fields` is set: the model has no use for it."""
        default = Extent()
        for name, option in OPTIONS.items():
            if name not in fields and getattr(self, name) != getattr(default, name):
                known = ", ".join(OPTIONS[field] for field in fields)
                raise InputError(
                    f"{option} does not apply to {model}.", fix=f"Options of this model: {known}."
                )

    def length(self, model: str, most: int | None = None) -> int:
        """`seq`, checked: InputError if it is missing or the model has only `most` positions."""
        if self.seq is None:
            raise InputError(
                f"{model} reads a sequence and its length is not given.",
                fix="Give the number of positions with --seq.",
            )
        total = self.past + self.seq + self.decode
        if most is not None and total > most:
            raise InputError(
                f"{total} positions; {model} has at most {most}.",
                fix="Use fewer with --seq, --decode or --past.",
            )
        return self.seq
