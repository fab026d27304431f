"""Work that grows along a sequence, generated tokens that feed the next, and recurrence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_teaching import MESH, VECTOR_UNIT, finishes, layers, linear, small_chip

from archsim.engine import ENGINES, run_program
from archsim.errors import InputError
from archsim.mapping.growth import Growth
from archsim.mapping.lower import map_trace
from archsim.mapping.mapped import Mapped
from archsim.trace.model import Trace

DRAM = {"kind": "dram", "width": "8 b", "clock": "1 GHz", "access_energy": "1 pJ/b"}
CHIP = small_chip({**MESH, "chip.dram": DRAM, "chip.tile.buffer.capacity": "64 KB"})
SMALL = small_chip(
    {
        "chip.tile.vector_unit": VECTOR_UNIT,
        "chip.tile.buffer.capacity": "64 KB",
        "chip.tile.pe.count": 8,
        "chip.tile.pe.input_register.capacity": "8 B",
    }
)


def attention(tokens: int, width: int, causal: bool, sequences: int = 1) -> Trace:
    """Scores, softmax and context of one head over `tokens` tokens of each sequence."""
    inputs = {"sequences": sequences, "causal": causal, "op": "matmul"}
    return layers(
        [tokens * sequences, width],
        {"name": "scores", "inputs": ["x", "x"], "k": width, "n": tokens, "transposed": True,
         **inputs},
        {"name": "softmax", "op": "softmax"},
        {"name": "context", "inputs": ["softmax", "x"], "k": tokens, "n": width,
         "transposed": False, **inputs},
    )  # fmt: skip


def unit_busy(mapped: Mapped) -> int:
    busy = mapped.program.busy_ticks()
    places = mapped.resource_places
    return sum(int(busy[r]) for r, place in enumerate(places) if "vector_unit" in str(place[0]))


@given(
    first=st.integers(1, 9),
    steps=st.integers(1, 9),
    over=st.integers(0, 5),
    full=st.integers(0, 99),
)
def test_growth_adds_up(first: int, steps: int, over: int, full: int) -> None:
    """Step t does (first + t) / span of the work: exactly, if the span divides it."""
    growth = Growth(tuple(range(first, first + steps)), first + steps - 1 + over)
    service, slope = growth.service(full * growth.span)
    assert [service + slope * t for t in range(steps)] == [full * (first + t) for t in range(steps)]
    mean = sum((first + t) / growth.span for t in range(steps)) / steps
    assert growth.mean == pytest.approx(mean)
    rough, slope = growth.service(full)
    assert all(
        0 <= rough + slope * t - full * (first + t) / growth.span < growth.span
        for t in range(steps)
    )


def test_causal_attention_does_half_the_work_of_full_attention() -> None:
    """Token t attends to t + 1 of T: (T + 1) / 2 of T on average, on the vector unit as well."""
    tokens = 8
    full = map_trace(SMALL, attention(tokens, 4, causal=False))
    half = map_trace(SMALL, attention(tokens, 4, causal=True))
    seconds = [unit_busy(mapped) * mapped.tick for mapped in (full, half)]
    assert seconds[1] == pytest.approx(seconds[0] * (tokens + 1) / (2 * tokens))
    shares = [
        sum(
            count * amount
            for action, count in zip(m.actions.actions, m.program.action_counts(), strict=True)
            for path, name, amount in action.bill
            if name == "mac"
        )
        for m in (full, half)
    ]
    assert shares[0] == 2 * tokens * tokens * 4
    assert shares[1] == pytest.approx(tokens * (tokens + 1) * 4)
    assert attention(tokens, 4, causal=True).macs() == tokens * (tokens + 1) * 4


@settings(max_examples=20, deadline=None)
@given(
    tokens=st.integers(1, 6),
    sequences=st.integers(1, 3),
    batch=st.integers(1, 2),
    causal=st.booleans(),
)
def test_engines_agree_on_attention(tokens: int, sequences: int, batch: int, causal: bool) -> None:
    mapped = map_trace(CHIP, attention(tokens, 8, causal, sequences), batch=batch)
    fast, reference = (run_program(mapped.program, engine) for engine in ENGINES)
    assert fast.same_as(reference)


def test_each_inference_of_a_batch_grows_anew() -> None:
    """Far apart, two inferences take the same time: the second does not go on growing."""
    trace = attention(6, 4, causal=True)
    alone = map_trace(SMALL, trace)
    both = map_trace(SMALL, trace, batch=2)
    assert unit_busy(both) == 2 * unit_busy(alone)


def decoder(prompt: int, decode: int, sequences: int = 1) -> Trace:
    """One attention layer between an embedding and the scores of 8 tokens."""
    tokens = prompt + decode
    shared = {"op": "matmul", "causal": True, "sequences": sequences}
    trace = layers(
        [tokens * sequences, 1],
        {"name": "embed", "op": "embedding", "rows": 8, "features": 4},
        linear(4, 4, name="query"),
        linear(4, 4, name="key", inputs=["embed"]),
        {"name": "scores", "inputs": ["query", "key"], "k": 4, "n": tokens, "transposed": True,
         **shared},
        {"name": "softmax", "op": "softmax"},
        {"name": "context", "inputs": ["softmax", "key"], "k": tokens, "n": 4,
         "transposed": False, **shared},
        {"name": "last", "op": "move", "function": "slice", "start": (prompt - 1) * sequences,
         "shape": [(decode + 1) * sequences, 4]},
        linear(4, 8, name="head"),
    )  # fmt: skip
    generation = {
        "prompt": prompt,
        "decode": decode,
        "source": "head",
        "target": "x",
        "sequences": sequences,
    }
    return Trace.model_validate(trace.model_dump() | {"generation": generation})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sequences", [1, 2])
def test_a_generated_token_waits_for_the_one_before(engine: str, sequences: int) -> None:
    mapped = map_trace(CHIP, decoder(3, 4, sequences))
    embedded, scored = (finishes(mapped, name, engine) for name in ("embed", "head"))
    assert len(embedded) == 7 * sequences
    assert len(scored) == 5 * sequences
    prompt = embedded[: 3 * sequences]
    assert max(prompt) < min(scored)
    for n in range(4 * sequences):
        assert embedded[3 * sequences + n] > scored[n]


def test_decode_steps_take_equal_longer_times() -> None:
    """With nothing else in flight, each step costs what the one before did plus one more key."""
    mapped = map_trace(CHIP, decoder(3, 6))
    steps = np.diff(finishes(mapped, "head"))
    assert (np.diff(steps[1:]) >= 0).all()
    assert steps[-1] > steps[1]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_recurrent_step_waits_for_the_last(cell: str) -> None:
    """Steps follow one another at a constant pace; the engines agree; state is not carried over."""
    chip = small_chip({**MESH, "chip.tile.buffer.capacity": "64 KB"})
    recurrent = {"name": "cell", "op": "recurrent", "cell": cell, "in_features": 6, "hidden": 5}
    trace = layers([7, 6], recurrent)
    mapped = map_trace(chip, trace)
    fast, reference = (run_program(mapped.program, engine) for engine in ENGINES)
    assert fast.same_as(reference)
    compute, results = mapped.operations[1].flows
    paces = np.diff(fast.finish[results])
    assert len(set(paces[1:].tolist())) == 1
    assert (fast.finish[compute][1:] > fast.finish[results][:-1]).all()
    assert trace.macs() == 7 * (6 + 5) * {"lstm": 4, "gru": 3, "rnn": 1}[cell] * 5


def test_causal_rows_beyond_the_span_are_refused() -> None:
    trace = layers(
        [3, 4],
        {"op": "move", "function": "slice", "start": 0, "shape": [2, 4], "name": "keys"},
        {"op": "matmul", "inputs": ["x", "keys"], "k": 4, "n": 2, "transposed": True,
         "causal": True},
    )  # fmt: skip
    with pytest.raises(ValueError, match="3 rows in 1 sequences of 2"):
        trace.macs()


def test_gates_need_a_unit() -> None:
    chip = small_chip({"chip.tile.pe.count": 8})
    record = {"op": "recurrent", "cell": "gru", "in_features": 2, "hidden": 2}
    with pytest.raises(InputError, match="gates: nonlinear, multiply, add"):
        map_trace(chip, layers([2, 2], record))
