"""An architecture of the table: how it is built, with which inputs it runs, what hides its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TOKENS, VOCABULARY = 16, 96


@dataclass(frozen=True)
class Case:
    """build: the module, in eval mode. inputs: by keyword or position, a batch of 1.

    targets: names that the layers adapted by LoRA end with (query and value, or the projection
    that holds both); none for models without attention. runs: False where a run takes too long for
    a test, or has a digital operator that no shipped chip has.
    """

    build: Callable[[], Any]
    inputs: Callable[[], Any]
    targets: tuple[str, ...] = ()
    runs: bool = True


def from_config(kind: str, auto: str, **settings: Any) -> Callable[[], Any]:
    """A model of transformers with random weights, in its own default form."""

    def build() -> Any:
        import transformers

        config = transformers.AutoConfig.for_model(kind, **settings)
        return getattr(transformers, auto).from_config(config).eval()

    return build


def tokens(count: int = TOKENS, **more: Any) -> Callable[[], Any]:
    """Token ids, none of them one that means padding or an end."""

    def inputs() -> dict[str, Any]:
        import torch

        ids = torch.randint(4, VOCABULARY - 4, (1, count))
        return {"input_ids": ids, **more}

    return inputs


def prompt() -> dict[str, Any]:
    """Token ids for a decoder without a cache."""
    return tokens(use_cache=False)()  # type: ignore[no-any-return]


def image(size: int = 32, channels: int = 3, name: str = "pixel_values") -> Callable[[], Any]:
    """One image of normal values."""

    def inputs() -> dict[str, Any]:
        import torch

        return {name: torch.randn(1, channels, size, size)}

    return inputs
