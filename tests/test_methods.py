"""Every adaptation method on every kind of model: valid traces, equal engines, refusals."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from test_cli_support import ROOT
from test_methods_support import (
    Record,
    hybrid,
    linear,
    mobile,
    plain,
    recurrent,
    trace_of,
    transformer,
)

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.registry import make_method, methods
from archsim.arch.model import Architecture
from archsim.engine import ENGINES, run_program
from archsim.errors import InputError
from archsim.learning import learning_work
from archsim.mapping.lower import map_trace
from archsim.trace.load import load_trace
from archsim.trace.model import Trace

SMALL: dict[str, Record] = {  # parameters that fit the small models
    "lora-rram": {"rank": 4},
    "ahwa-lora": {"rank": 4, "tokens": 3},
    "lorafusion": {"rank": 4, "pool": 3},
    "pruning-lora": {"rank": 4},
    "mobiletl": {"blocks": 1},
    "xma2": {"pes": 0.5},
}
UNFIT = {  # model and method: why not
    ("transformer", "mobiletl"): "no inverted residual blocks",
    ("recurrent", "mobiletl"): "no inverted residual blocks",
    ("recurrent", "pruning-lora"): "no channels",
    ("minilm_l6", "mobiletl"): "no inverted residual blocks",
    ("resnet18", "mobiletl"): "no inverted residual blocks",
}
PROGRAM_NOTHING = ("ahwa-lora", "bitfit", "halora", "lorafusion", "xbm", "xma")


@cache
def chip() -> Architecture:
    return hybrid()


@cache
def model(name: str) -> Trace:
    if name in ("minilm_l6", "resnet18"):
        folder = {"minilm_l6": "traces/minilm_l6.trace.json", "resnet18": "workloads/resnet18.yaml"}
        return load_trace(ROOT / folder[name])
    return {"transformer": transformer(1), "mobile": mobile(4), "recurrent": recurrent()}[name]


def adapt(name: str, kind: str, **parameters: Any) -> Adapted:
    return make_method(kind, parameters).adapt(model(name), chip())


def outputs(trace: Trace) -> list[tuple[int, ...]]:
    read = {name for layer in trace.layers for name in layer.inputs}
    return [trace.shapes[layer.name] for layer in trace.layers if layer.name not in read]


@pytest.mark.parametrize("kind", methods())
@pytest.mark.parametrize("name", ["transformer", "mobile", "recurrent"])
def test_small_models_run_alike_on_both_engines(name: str, kind: str) -> None:
    before = model(name).model_dump()
    if (name, kind) in UNFIT:
        with pytest.raises(InputError, match=UNFIT[name, kind]):
            adapt(name, kind, **SMALL.get(kind, {}))
        return
    adapted = adapt(name, kind, **SMALL.get(kind, {}))
    assert model(name).model_dump() == before
    again = Trace.model_validate(adapted.trace.model_dump())
    assert again.shapes == adapted.trace.shapes
    for rewrites, batch in ((adapted.switch, 1), (adapted.once, 0)):
        if not rewrites:
            continue
        mapped = map_trace(
            chip(), adapted.trace, batch=batch, replicate=False, placement=adapted.placement,
            rewrites=rewrites,
        )  # fmt: skip
        fast, reference = (run_program(mapped.program, engine) for engine in ENGINES)
        assert fast.same_as(reference)
        if kind in PROGRAM_NOTHING and batch:
            assert mapped.written.cells == 0
            assert mapped.written.bits > 0


@pytest.mark.parametrize("kind", methods())
@pytest.mark.parametrize("name", ["minilm_l6", "resnet18"])
def test_real_models(name: str, kind: str) -> None:
    trace = model(name)
    if (name, kind) in UNFIT:
        with pytest.raises(InputError, match=UNFIT[name, kind]):
            adapt(name, kind)
        return
    adapted = adapt(name, kind)
    names = {layer.name for layer in adapted.trace.layers}
    assert {rewrite.layer for rewrite in (*adapted.switch, *adapted.once)} <= names
    assert 0 < adapted.trained <= trace.parameters()
    assert adapted.stored_bits > 0
    assert all(0 < r.changed <= 1 for r in adapted.switch if r.home == "array")
    if (name, kind) != ("minilm_l6", "linear-probe"):  # which gets a classifier
        assert outputs(adapted.trace) == outputs(trace)
    work = learning_work(adapted.trace, adapted.trainable, biases=adapted.biases)
    assert work.trainable > 0


@pytest.mark.parametrize("kind", PROGRAM_NOTHING)
def test_methods_that_program_nothing_have_no_array_rewrites(kind: str) -> None:
    adapted = adapt("minilm_l6", kind)
    assert {rewrite.home for rewrite in adapted.switch} <= {"unit", "mask", "buffer"}


def test_the_pool_is_programmed_once() -> None:
    adapted = adapt("minilm_l6", "lorafusion")
    assert {rewrite.home for rewrite in adapted.once} == {"array"}
    assert {rewrite.home for rewrite in adapted.switch} == {"buffer"}


def test_masks_need_no_stored_activation_in_front_of_the_first_masked_layer() -> None:
    probe, mask = adapt("minilm_l6", "linear-probe"), adapt("minilm_l6", "xbm")
    few, many = (learning_work(a.trace, a.trainable) for a in (probe, mask))
    assert few.stored_bits < many.stored_bits
    assert few.backward_macs < many.backward_macs


@pytest.mark.parametrize("kind", ["lora-rram", "halora", "ahwa-lora", "lorafusion"])
def test_a_rank_above_the_matrix_is_refused(kind: str) -> None:
    with pytest.raises(InputError, match=r"rank 17 does not fit layer 'block0\.\w+'.*at most 16"):
        adapt("transformer", kind, rank=17)


@pytest.mark.parametrize("kind", [k for k in methods() if "modules" in methods()[k].model_fields])
def test_unknown_modules_are_refused(kind: str) -> None:
    if kind == "rep-net":  # there it is a number
        return
    with pytest.raises(InputError, match=r"called 'qery'.*key, output, query"):
        adapt("transformer", kind, modules=["qery"])


@pytest.mark.parametrize(
    ("kind", "what", "add"),
    [
        ("halora", "no SRAM LoRA branch", "kind: sram_lora_branch"),
        ("ahwa-lora", "no cluster", "kind: cluster"),
        ("xbm", "no column mask", "kind: column_mask"),
        ("xma", "no column mask", "kind: column_mask"),
        ("xma2", "no column mask", "kind: column_mask"),
        ("xst", "no column mask", "kind: column_mask"),
    ],
)
def test_a_chip_without_the_part_is_refused(kind: str, what: str, add: str) -> None:
    with pytest.raises(InputError, match=rf"{what}.*{add}"):
        make_method(kind, SMALL.get(kind, {})).adapt(model("transformer"), plain())


def test_a_chip_without_write_drivers_is_refused() -> None:
    adapted = make_method("full").adapt(model("transformer"), plain())
    with pytest.raises(InputError, match=r"no write driver.*kind: write_driver"):
        map_trace(plain(), adapted.trace, batch=0, rewrites=adapted.switch)


def test_a_mask_too_narrow_is_refused() -> None:
    with pytest.raises(InputError, match="bits per column; 9 bits are needed"):
        adapt("transformer", "xma", bits=9)


def test_adapters_too_large_for_the_branches_are_named() -> None:
    layers = [
        linear("block0.query", "x", 2048, 2048),
        linear("block0.value", "block0.query", 2048, 2048),
    ]
    wide = trace_of("wide", [1, 2048], layers)
    adapted = make_method("halora", {"rank": 2048}).adapt(wide, chip())
    with pytest.raises(InputError, match=r"query\.lora_a needs \d+ tiles .* free in the lora_bra"):
        map_trace(chip(), adapted.trace, placement=adapted.placement)


def test_more_blocks_than_there_are_are_refused() -> None:
    with pytest.raises(InputError, match="has 2 inverted residual blocks, not 3"):
        adapt("mobile", "mobiletl", blocks=3)


def test_adapting_twice_is_refused() -> None:
    fused = adapt("transformer", "lorafusion", **SMALL["lorafusion"])
    with pytest.raises(InputError, match="already"):
        make_method("lorafusion", SMALL["lorafusion"]).adapt(fused.trace, chip())
