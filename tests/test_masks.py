"""What a mask leaves decides work, dependencies, time, cache and traffic; every mask by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sequences import CHIP, unit_busy
from test_teaching import layers

from archsim.engine import ENGINES, run_program
from archsim.gpu.phase import Phase
from archsim.mapping.growth import Growth
from archsim.mapping.lower import map_trace
from archsim.trace import mask
from archsim.trace.generation import generation_fault, kv_cache
from archsim.trace.layer import ShapeError
from archsim.trace.model import Generation, Trace
from archsim.trace.products import MatMul

T, WIDTH = 12, 4
BAND: dict[str, Any] = {"mask": {"kind": "band", "before": 3}}
BLOCK: dict[str, Any] = {"mask": {"kind": "block", "size": 5}}
CHUNK: dict[str, Any] = {"mask": {"kind": "block", "size": 5, "causal": True}}
PREFIX: dict[str, Any] = {"mask": {"kind": "prefix", "length": 4}}
CAUSAL: dict[str, Any] = {"causal": True}


def attention(fields: dict[str, Any], sequences: int = 1) -> Trace:
    """Scores, softmax and context of one head of 4 channels over 12 tokens of each sequence."""
    shared = {"op": "matmul", "sequences": sequences, **fields}
    return layers(
        [T * sequences, WIDTH],
        {"name": "scores", "inputs": ["x", "x"], "k": WIDTH, "n": T, "transposed": True, **shared},
        {"name": "softmax", "op": "softmax"},
        {"name": "context", "inputs": ["softmax", "x"], "k": T, "n": WIDTH, "transposed": False,
         **shared},
    )  # fmt: skip


# Pairs of 12 rows. Band of 4: 1+2+3 and 9 rows of 4. Blocks of 5, 5 and 2: 25+25+4; causal:
# 15+15+3. Prefix of 4: 4 rows of 4, then 5 to 12: 16+68. Both sides 2: 3+4+8*5+4+3.
@pytest.mark.parametrize(
    ("fields", "pairs"),
    [
        ({}, 144),
        (CAUSAL, 78),
        (BAND, 42),
        (BLOCK, 54),
        (CHUNK, 33),
        (PREFIX, 84),
        ({"mask": {"kind": "band", "before": 2, "after": 2}}, 54),
        ({"mask": {"kind": "rows", "first": [0] * 12, "last": [-1] + [11] * 11,
                   "count": [0] + [2] * 11}}, 22),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sequences", [1, 2])
def test_macs_follow_the_mask(fields: dict[str, Any], pairs: int, sequences: int) -> None:
    assert attention(fields, sequences).macs() == 2 * WIDTH * sequences * pairs


def test_a_row_waits_for_what_it_attends_to_and_drops_what_lies_before() -> None:
    trace = attention(BAND, sequences=2)
    scores = trace.layers[0]
    reach = scores.reach(1, trace.input_shapes(scores), trace.shapes["scores"])
    assert reach.last.tolist() == list(range(24))  # token and sequence of the row itself
    assert reach.first[:10].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 2, 3]  # 3 tokens, 6 positions back
    seen = attention(BLOCK)
    reach = seen.layers[0].reach(1, seen.input_shapes(seen.layers[0]), seen.shapes["scores"])
    assert reach.last.tolist() == [4] * 5 + [9] * 5 + [11] * 2
    assert reach.first.tolist() == [0] * 5 + [5] * 5 + [10] * 2


@given(data=st.data())
def test_a_written_mask_is_recognised_as_what_it_leaves(data: st.DataObject) -> None:
    span = data.draw(st.integers(2, 14))
    rows = data.draw(st.integers(1, span))
    kind = data.draw(st.sampled_from(["band", "block", "prefix", "causal", "any"]))
    pattern = {
        "band": lambda: mask.Band(
            kind="band", before=data.draw(st.integers(0, 5)), after=data.draw(st.integers(0, 3))
        ).attended(rows, span),
        "block": lambda: mask.Blocks(
            kind="block", size=data.draw(st.integers(1, 5)), causal=data.draw(st.booleans())
        ).attended(rows, span),
        "prefix": lambda: mask.Prefix(
            kind="prefix", length=data.draw(st.integers(1, span))
        ).attended(rows, span),
        "causal": lambda: mask.causal(rows, span),
    }
    at = np.arange(span)
    if kind == "any":
        bits = data.draw(st.lists(st.booleans(), min_size=rows * span, max_size=rows * span))
        seen = np.array(bits).reshape(rows, span)
    else:
        left = pattern[kind]()
        seen = (at >= left.first[:, None]) & (at <= left.last[:, None])
    layer = MatMul(
        op="matmul", name="s", inputs=["q", "k"], k=4, n=span, transposed=True,
        **mask.recognise(seen),
    )  # fmt: skip
    found = layer.attended(rows)
    assert found.count.tolist() == seen.sum(axis=1).tolist()
    if layer.mask is not None and layer.mask.kind != "rows":
        inside = (at >= found.first[:, None]) & (at <= found.last[:, None])
        assert (inside == seen).all()
    assert kind == "any" or layer.mask is None or layer.mask.kind != "rows" or kind == "block"


@pytest.mark.parametrize("fields", [CAUSAL, BAND, BLOCK, CHUNK, PREFIX])
def test_the_unit_works_for_the_attended_positions_alone(fields: dict[str, Any]) -> None:
    """Work at the vector unit is that of all tokens times attended pairs over the square."""
    full, masked = (map_trace(CHIP, attention(f)) for f in ({}, fields))
    pairs = attention(fields).macs() / (2 * WIDTH)
    share = unit_busy(masked) * masked.tick / (unit_busy(full) * full.tick)
    assert share == pytest.approx(pairs / T**2, rel=1e-6)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("fields", [BAND, BLOCK, PREFIX])
def test_engines_agree_and_a_window_is_not_slower_than_causal(
    fields: dict[str, Any], batch: int
) -> None:
    mapped = map_trace(CHIP, attention(fields, sequences=2), batch=batch)
    fast, reference = (run_program(mapped.program, engine) for engine in ENGINES)
    assert fast.same_as(reference)
    if fields is BAND:
        causal = map_trace(CHIP, attention(CAUSAL, sequences=2), batch=batch)
        slower = run_program(causal.program, "fast")
        last = [max(map(max, run.finish)) for run in (fast, slower)]
        assert last[0] * mapped.tick <= last[1] * causal.tick


def test_growth_of_a_window_ends_at_its_width() -> None:
    growth = Growth((1, 2, 3, 3, 3), span=6)
    assert growth.table == (0, 1, 2, 2, 2)
    assert growth.mean == pytest.approx(12 / 30)
    assert growth.service(60) == (10, 10)  # one token: 60 / 6
    assert Growth((3, 4, 5), span=6).table == ()  # one more at each step needs no table
    assert Growth((3, 4, 5), span=6).service(60) == (30, 10)


def decoder(fields: dict[str, Any], prompt: int, decode: int) -> Trace:
    """A token's row of a table attends to those before it; the last rows choose the next."""
    shared = {"op": "matmul", **fields}
    trace = layers(
        [prompt + decode, 1],
        {"name": "table", "op": "embedding", "rows": 50, "features": WIDTH},
        {"name": "scores", "inputs": ["table", "table"], "k": WIDTH, "n": T, "transposed": True,
         **shared},
        {"name": "softmax", "op": "softmax"},
        {"name": "context", "inputs": ["softmax", "table"], "k": T, "n": WIDTH,
         "transposed": False, **shared},
        {"name": "ends", "op": "move", "function": "slice", "shape": [decode + 1, WIDTH],
         "start": prompt - 1},
        {"name": "head", "op": "linear", "in_features": WIDTH, "out_features": 50},
    )  # fmt: skip
    generation = Generation(prompt=prompt, decode=decode, source="head", target="x")
    return trace.model_copy(update={"generation": generation})


def test_a_window_bounds_the_cache_and_the_work_of_a_decode_step() -> None:
    trace, full = decoder(BAND, 8, 4), decoder(CAUSAL, 8, 4)
    assert kv_cache(full) == (8, 8 * 12)  # one tensor of 4 x 2 bits a token is key and value
    assert kv_cache(trace) == (8, 8 * 4)  # four positions are kept
    scores = trace.layers[1]
    steps = Phase(trace, "decode", 1, np.arange(9.0, 13.0))
    assert np.broadcast_to(steps.macs(scores), 4).tolist() == [4 * WIDTH] * 4
    assert np.broadcast_to(steps.read(scores, 1), 4).tolist() == [4 * WIDTH] * 4
    causal = Phase(full, "decode", 1, np.arange(9.0, 13.0))
    assert np.asarray(causal.macs(full.layers[1])).tolist() == [WIDTH * n for n in range(9, 13)]
    prompt = Phase(trace, "prefill", 8, 8.0)
    assert prompt.macs(scores) == WIDTH * (1 + 2 + 3 + 5 * 4)
    assert Phase(trace, "prefill", 8, 8.0, skip_masked=False).macs(scores) == WIDTH * 64


def test_a_mask_that_shows_the_future_cannot_generate() -> None:
    assert generation_fault(decoder(BAND, 8, 4)) is None
    fault = generation_fault(decoder({"mask": {"kind": "band", "before": 3, "after": 1}}, 8, 4))
    assert fault is not None and "chosen from it or later" in fault.what


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({**CAUSAL, **BAND}, "is causal and has a mask"),
        ({"mask": {"kind": "rows", "first": [0], "last": [1], "count": [1]}}, "1 rows|not 12"),
        ({"mask": {"kind": "rows", "first": [0] * 12, "last": [12] * 12, "count": [1] * 12}},
         "more than 12 positions"),
    ],
)  # fmt: skip
def test_bad_masks_are_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ShapeError, match=why):
        attention(fields).macs()


@settings(deadline=None, max_examples=20)
@given(before=st.integers(0, 12), rows=st.integers(1, 12))
def test_a_band_is_causal_where_it_is_as_wide_as_the_sequence(before: int, rows: int) -> None:
    band = mask.Band(kind="band", before=before).attended(rows, T)
    whole = mask.causal(rows, T)
    assert (band.count <= whole.count).all() and band.last.tolist() == whole.last.tolist()
    assert (before < T - 1) or band.count.tolist() == whole.count.tolist()
