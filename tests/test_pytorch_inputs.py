"""What trace_module refuses before it runs a module."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="traces of PyTorch modules take torch")

import archsim  # noqa: E402
from archsim.errors import InputError  # noqa: E402


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (None, "the example inputs are a NoneType. Give a tensor"),
        ("text", "the example inputs are a str"),
        (torch.ones(0, 8), r"the input 'input' is empty: \[0, 8\]"),
        ([torch.ones(1, 0)], r"the input 'input' is empty: \[1, 0\]"),
    ],
)
def test_inputs_that_say_nothing(inputs: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        archsim.trace_module(torch.nn.Linear(8, 4), inputs)


def test_what_is_no_module() -> None:
    with pytest.raises(InputError, match=r"a function is no torch\.nn\.Module"):
        archsim.trace_module(lambda x: x, torch.ones(1, 8))


def test_the_errors_of_a_module_are_its_own() -> None:
    class Picky(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError(f"no {x.shape[1]} of these")

    with pytest.raises(RuntimeError, match="no 9 of these"):
        archsim.trace_module(Picky(), torch.ones(1, 9))
