"""The options of a trace export that say how values become codes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click


def quantisation_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with --bits, --scheme, --encoding and --clip.

    The command gets them as one argument, `quantiser` (archsim.trace.quantiser.Quantiser), which
    has checked them: InputError for a value that is not known.
    """

    @click.option("--bits", callback=_bits, default="8", show_default=True, metavar="N|W,I",
                  help="Code width in bits, or one for weights and one for inputs.")  # fmt: skip
    @click.option("--scheme", default="per_tensor_symmetric", show_default=True,
                  help="Quantisation of activations: per_tensor_symmetric, per_token_symmetric, "
                  "affine; per_column_symmetric: of weights.")  # fmt: skip
    @click.option("--encoding", default="twos_complement", show_default=True,
                  help="Of codes: twos_complement, sign_magnitude, offset.")  # fmt: skip
    @click.option("--clip", type=float, metavar="PERCENT",
                  help="Clip activations beyond this percentile of their magnitudes.")  # fmt: skip
    @functools.wraps(command)
    def with_quantiser(
        *args: Any,
        bits: tuple[int, int],
        scheme: str,
        encoding: str,
        clip: float | None,
        **kwargs: Any,
    ) -> None:
        from archsim.trace.quantiser import Quantiser

        weight_bits, input_bits = bits
        quantiser = Quantiser.from_options(
            weight_bits=weight_bits,
            input_bits=input_bits,
            scheme=scheme,
            encoding=encoding,
            clip=clip,
        )
        command(*args, quantiser=quantiser, **kwargs)

    return with_quantiser


def _bits(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    widths = value.split(",")
    if len(widths) > 2 or not all(w.isascii() and w.isdigit() and len(w) < 3 for w in widths):
        raise click.BadParameter(f"'{value}' is neither a width such as 8 nor a pair such as 4,8.")
    return int(widths[0]), int(widths[-1])
