"""What methods train and store: by hand, by law, and against the figures of the papers."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli_support import ROOT
from test_methods_support import HYBRID, TOKENS, WIDTH, hybrid, mobile, transformer
from test_teaching import small_chip

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import changed_cells, masked_cells
from archsim.adaptation.masks import divide_pes
from archsim.adaptation.registry import make_method
from archsim.arch.model import Architecture
from archsim.arch.pe import roles
from archsim.mapping.lower import map_trace
from archsim.mapping.written import Rewrite
from archsim.models.build import build_trace
from archsim.models.extent import Extent
from archsim.models.load import load_config
from archsim.trace.load import load_trace
from archsim.trace.model import Trace
from archsim.trace.operators import Layer, Linear
from archsim.trace.stats import tensor_stats

MINILM_WEIGHTS = 6 * (4 * 384 * 384 + 2 * 384 * 1536)


@cache
def chip() -> Architecture:
    return hybrid()


@cache
def model(name: str) -> Trace:
    if name == "minilm_l6":
        return load_trace(ROOT / "traces" / "minilm_l6.trace.json")
    if name == "resnet18":
        return load_trace(ROOT / "workloads" / "resnet18.yaml")
    small = {"transformer": transformer(), "mobile": mobile()}
    return small[name] if name in small else build_trace(load_config(name), Extent(seq=8), "a test")


def adapt(name: str, kind: str, **parameters: Any) -> Adapted:
    return make_method(kind, parameters).adapt(model(name), chip())


# --- the papers' figures ------------------------------------------------------------------------


def test_lora_on_flan_t5_large() -> None:
    """q and v of 72 attention blocks: 144 x 16 x (1024 + 1024)."""
    assert adapt("flan-t5-large", "lora-rram", rank=16).trained == 4_718_592


def test_lorafusion_on_flan_t5_large() -> None:
    """144 magnitude vectors of 1024, and 20 coefficients in each of 48 blocks: 148 K, 3 %."""
    fused = adapt("flan-t5-large", "lorafusion")
    assert fused.trained == 144 * 1024 + 20 * 48 == 148_416
    assert fused.trained / 4_718_592 == pytest.approx(0.03, abs=0.002)
    weights = {layer.name: layer.parameters() for layer in fused.trace.layers}
    assert sum(weights[rewrite.layer] for rewrite in fused.once) == 20 * 4_718_592


def test_halora_on_llama_1b() -> None:
    """0.15 % of the model: rank 4 on query, key, value, up and down of 16 layers."""
    adapted = adapt("llama-3.2-1b", "halora")
    kv, wide = 2048 + 512, 2048 + 8192
    assert adapted.trained == 16 * 4 * (2 * 2048 + 2 * kv + 2 * wide) == 1_900_544
    share = adapted.trained / model("llama-3.2-1b").parameters(biases=True)
    assert round(100 * share, 2) == 0.15


def test_ahwa_lora_on_mobilebert() -> None:
    """Rank 8 on all linear layers; 1.63 M in Table II, with the embedding's convolution."""
    bottlenecks, attention = 2 * (512 + 128), 3 * 256 + (512 + 128)
    feed_forward, widen = 4 * 2 * (128 + 512), 128 + 512
    block = bottlenecks + attention + feed_forward + widen
    assert adapt("mobilebert", "ahwa-lora").trained == 8 * 24 * block == 1_622_016
    assert 8 * (24 * block + 3 * 128 + 512) == pytest.approx(1.63e6, rel=0.001)


@pytest.mark.parametrize("name", ["minilm_l6", "resnet18"])
@pytest.mark.parametrize("rows", [64, 128])
def test_masks_of_columns_against_masks_of_weights(name: str, rows: int) -> None:
    """Of Piggyback's memory XBM needs 1.4 % and XMA 3.4 %; arrays of 64 rows give 1.6 and 3.1 %."""
    size = {"array.size": f"{rows} x 128", "dac.count": 8 * rows}
    arch = small_chip({f"chip.tile.pe.{key}": value for key, value in size.items()}, HYBRID)
    bits = {
        kind: make_method(kind).adapt(model(name), arch).stored_bits
        for kind in ("piggyback", "xbm", "xma")
    }
    assert bits["xma"] == 2 * bits["xbm"]
    assert bits["xbm"] / bits["piggyback"] == pytest.approx(1 / rows, rel=0.02)
    if rows == 64:
        assert bits["xbm"] / bits["piggyback"] == pytest.approx(0.014, abs=0.002)
        assert 1 - bits["xma"] / bits["piggyback"] == pytest.approx(0.966, abs=0.005)


# --- by hand ------------------------------------------------------------------------------------


def test_column_masks_of_full_arrays_have_weights_over_rows_entries() -> None:
    """All matrices of MiniLM fill arrays of 128 rows."""
    assert adapt("minilm_l6", "xbm").stored_bits == MINILM_WEIGHTS // 128
    assert adapt("minilm_l6", "piggyback").stored_bits == MINILM_WEIGHTS
    full = adapt("minilm_l6", "full")
    assert (full.trained, full.stored_bits) == (MINILM_WEIGHTS, 8 * MINILM_WEIGHTS)


def test_an_array_that_is_not_full_still_needs_an_entry_per_column() -> None:
    """16 rows: each of the 3 x 16 + 16 + 32 + 16 columns of both blocks has an entry."""
    assert adapt("transformer", "xbm").trained == 2 * (4 * 16 + 32 + 16)


@given(rank=st.integers(1, 8), kind=st.sampled_from(["lora-rram", "halora", "ahwa-lora"]))
def test_twice_the_rank_is_twice_the_bits(rank: int, kind: str) -> None:
    one, two = (adapt("transformer", kind, rank=r) for r in (rank, 2 * rank))
    assert two.trained == 2 * one.trained
    assert two.stored_bits == 2 * one.stored_bits == 2 * 8 * one.trained


def test_lora_of_both_attention_matrices() -> None:
    adapted = adapt("transformer", "lora-rram", rank=4)
    assert adapted.trained == 2 * 2 * 4 * (WIDTH + WIDTH)
    macs = adapted.trace.macs() - model("transformer").macs()
    assert macs == TOKENS * adapted.trained


def test_lorafusion_by_hand() -> None:
    """2 blocks x 2 matrices: 16 magnitudes each, 3 coefficients per block, pool of 3 x rank 4."""
    fused = adapt("transformer", "lorafusion", pool=3, rank=4)
    assert fused.trained == 4 * 16 + 3 * 2
    assert fused.trace.macs() - model("transformer").macs() == TOKENS * 4 * 3 * 4 * (16 + 16)
    bits = [rewrite.bits for rewrite in fused.switch]
    assert bits == 4 * [3 * 8, 16 * 8]  # a layer's copy of the coefficients, its magnitudes
    shapes = fused.trace.shapes
    assert shapes["block0.query.pool_a"] == (TOKENS, 12)
    (scores,) = [layer for layer in fused.trace.layers if layer.name == "block0.scores"]
    assert scores.inputs[0] == "block0.query.magnitude"


def test_rep_net_on_a_map_by_hand() -> None:
    """Beside both blocks, the first from the image: kernels of 3 on small maps, 8 in between."""
    adapted = adapt("mobile", "rep-net", biases=False)
    first = 3 * 9 * 8 + 8 * 8
    second = 8 // 2 * 9 * 8 + 8 * 8  # two groups
    assert adapted.trained == first + second + 8 * 5
    assert "rep0.conv1" in adapted.trainable
    assert adapted.trace.shapes["rep0.pool"] == (3, 3, 3)
    assert adapted.trace.shapes["rep0.resize"] == (6, 6, 8)


def test_rep_net_on_tokens_by_hand() -> None:
    """Between the blocks' ends: 16 to 8 (at least 8) and back, in two modules."""
    adapted = adapt("transformer", "rep-net", biases=False)
    assert adapted.trained == 2 * 2 * 16 * 8
    one = adapt("transformer", "rep-net", modules=1)
    assert one.trained == 2 * 16 * 8 + adapt("transformer", "bitfit").trained


def test_da3_by_hand() -> None:
    """16 channels to 4 and back, and 16 to one, behind each of two blocks."""
    assert adapt("transformer", "da3", reduction=4).trained == 2 * (2 * 16 * 4 + 16)


def test_mobiletl_by_hand() -> None:
    """The last block's convolutions and the classifier, and a shift per output channel."""
    adapted = adapt("mobile", "mobiletl", blocks=1)
    weights = 8 * 16 + 9 * 16 + 16 * 8 + 8 * 5
    assert adapted.trained == weights + (16 + 16 + 8 + 5)
    assert adapted.trainable == {"block1.expand", "block1.depthwise", "block1.project",
                                 "classifier"}  # fmt: skip


def test_probes_by_hand() -> None:
    assert adapt("transformer", "linear-probe", classes=7).trained == 16 * 7
    assert adapt("mobile", "linear-probe").trainable == {"classifier"}
    other = adapt("mobile", "linear-probe", classes=9)
    assert other.trained == 8 * 9
    assert other.trainable == {"head"}
    assert adapt("transformer", "bitfit").trained == 2 * (4 * 16 + 32 + 16)


def test_rep_net_puts_no_module_between_an_encoder_and_a_decoder() -> None:
    """The decoder's tokens are others than the encoder's: 8 and 4; both encoder blocks get one."""
    sizes = {"encoder_blocks": 2, "decoder_blocks": 2, "width": 64, "heads": 4, "head_width": 16,
             "feed_forward": 128, "vocabulary": 100, "parameters": None}  # fmt: skip
    config = load_config("flan-t5-large").model_copy(update=sizes)
    trace = build_trace(config, Extent(seq=8, decode=3), "a test")
    adapted = make_method("rep-net", {"biases": False}).adapt(trace, chip())
    modules = [layer.name for layer in adapted.trace.layers if layer.name.startswith("rep")]
    assert [name for name in modules if name.endswith(".add")] == ["rep0.add", "rep1.add"]
    # each of 64 x 8 and 8 x 64 weights, and the head of 64 x 100
    assert adapted.trained == 2 * 2 * 64 * 8 + 64 * 100


# --- two tiers, sparse columns, grown weights ---------------------------------------------------


def test_xma2_between_masks_and_full_fine_tuning() -> None:
    none, all_ = (adapt("minilm_l6", "xma2", pes=pes, bits=2) for pes in (0.0, 1.0))
    assert none.switch == adapt("minilm_l6", "xma").switch
    assert all_.trained == MINILM_WEIGHTS
    assert {rewrite.home for rewrite in all_.switch} == {"array"}
    half = adapt("minilm_l6", "xma2", pes=0.5, bits=2)
    bits = sum(rewrite.bits for rewrite in half.switch)
    assert bits < sum(rewrite.bits for rewrite in none.switch)
    assert none.trained < half.trained < all_.trained


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.99])
def test_xma2_counts_the_weights_that_a_switch_programs(share: float) -> None:
    """Cells of all slices of the weights counted, PEs that are begun whole on both sides."""
    trace, arch = model("minilm_l6"), chip()
    layers = [layer for layer in trace.layers if layer.stationary][:6]
    rewrites = tuple(Rewrite(layer.name, pes=share) for layer in layers)
    mapped = map_trace(arch, trace, batch=0, replicate=False, rewrites=rewrites)
    array = roles(arch.chip.tile.pe).array
    slices = trace.precision.weight // array.bits_per_cell
    slices *= 2 if array.encoding == "differential" else 1
    counted = sum(divide_pes(layer, trace, arch, share).weights for layer in layers)
    assert mapped.written.cells == slices * counted > 0


def test_xst_programs_and_digitises_its_columns_only() -> None:
    adapted, full = adapt("minilm_l6", "xst", columns=0.25), adapt("minilm_l6", "full")
    arrays = [rewrite for rewrite in adapted.switch if rewrite.home == "array"]
    for mine, whole in zip(arrays, full.switch, strict=True):
        assert mine.changed == pytest.approx(0.25 * whole.changed)
    assert set(adapted.placement.kept.values()) == {0.25}
    assert adapted.trained == MINILM_WEIGHTS // 4


def test_cpg_between_piggyback_and_full_fine_tuning() -> None:
    assert adapt("minilm_l6", "cpg", grown=0).switch == adapt("minilm_l6", "piggyback").switch
    assert adapt("minilm_l6", "cpg", grown=1).switch == adapt("minilm_l6", "full").switch
    some = adapt("minilm_l6", "cpg", grown=0.25)
    assert some.stored_bits == pytest.approx(MINILM_WEIGHTS * (1 + 8 / 4), abs=36)


# --- cells that change ---------------------------------------------------------------------------


def layer_of(codes: list[int] | None) -> Layer:
    stats = None
    if codes is not None:
        stats = tensor_stats(np.array(codes, dtype=float), 8)
    return Linear(
        op="linear", name="l", inputs=["x"], in_features=4, out_features=4, weight_stats=stats
    )


def test_changed_and_masked_cells_by_hand() -> None:
    """Offset encoding in 2-bit cells; half the codes are 0 (10 00 00 00), half 127 (11 11 11 11).

    Every slice has two levels with equal shares; all four differ from those of zero in half.
    """
    array = roles(chip().chip.tile.pe).array
    assert (array.encoding, array.bits_per_cell) == ("offset", 2)
    layer = layer_of([0, 127])
    assert changed_cells(layer, chip()) == pytest.approx(0.5)
    assert masked_cells(layer, chip(), 0.5) == pytest.approx(2 * 0.25 * 0.5)
    assert masked_cells(layer_of(None), chip(), 0.5) == pytest.approx(0.5 * 0.75)
    assert changed_cells(layer_of(None), chip()) == pytest.approx(0.75)


@given(
    codes=st.lists(st.integers(-127, 127), min_size=2, max_size=40),
    kept=st.floats(0, 1),
)
def test_laws_of_masked_cells(codes: list[int], kept: float) -> None:
    layer = layer_of([127, *codes])
    found = masked_cells(layer, chip(), kept)
    assert 0 <= found <= 2 * kept * (1 - kept)
    assert found == pytest.approx(masked_cells(layer, chip(), 1 - kept))
    assert masked_cells(layer, chip(), 1.0) == 0
    assert masked_cells(layer_of([0, 0]), chip(), kept) == 0
