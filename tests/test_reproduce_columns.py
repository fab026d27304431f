"""Masks and sparse columns: what their experiments rest on, by hand and by law."""

from __future__ import annotations

import pytest
from test_methods_support import hybrid, transformer

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.differential import changed_cells
from archsim.adaptation.evaluate import write
from archsim.adaptation.registry import make_method
from archsim.errors import InputError
from archsim.reproduce.bench import Bench
from archsim.reproduce.load import load_experiment
from archsim.reproduce.registry import make_measure


def adapt(kind: str, **parameters: object) -> Adapted:
    return make_method(kind, parameters).adapt(transformer(), hybrid())


# --- columns used and columns learnt ------------------------------------------------------------


def test_xst_learns_all_that_it_uses_unless_told_otherwise() -> None:
    assert adapt("xst", columns=0.5) == adapt("xst", columns=0.5, learnt=0.5)


def test_xst_programs_what_it_learns_and_digitises_what_it_uses() -> None:
    adapted = adapt("xst", columns=0.75, learnt=0.25)
    layers = {layer.name: layer for layer in transformer().layers if layer.stationary}
    arrays = {item.layer: item.changed for item in adapted.switch if item.home == "array"}
    assert arrays == {
        name: pytest.approx(0.25 * changed_cells(layer, hybrid())) for name, layer in layers.items()
    }
    assert set(adapted.placement.kept.values()) == {0.75}
    weights = sum(layer.parameters() for layer in layers.values())
    assert adapted.trained == weights // 4
    columns = adapt("xbm").stored_bits
    assert adapted.stored_bits == columns + 8 * weights // 4  # a bit per column, weights of 8 b


def test_xst_cannot_learn_more_columns_than_it_uses() -> None:
    with pytest.raises(InputError, match="learnt"):
        make_method("xst", {"columns": 0.5, "learnt": 0.6})


def test_programming_of_xst_grows_with_the_columns_learnt_alone() -> None:
    def cells(**shares: float) -> int:
        adapted = adapt("xst", **shares)
        return write(hybrid(), adapted, adapted.switch).cells

    assert cells(columns=0.5, learnt=0.25) == cells(columns=1.0, learnt=0.25)
    assert cells(columns=1.0, learnt=0.5) < cells(columns=1.0, learnt=1.0)


def test_a_sparse_mask_of_xma_is_digitised_less_and_stored_alike() -> None:
    sparse, dense = adapt("xma", kept=0.5), adapt("xma")
    assert set(sparse.placement.kept.values()) == {0.5}
    assert sparse.switch == dense.switch
    assert sparse.stored_bits == dense.stored_bits


# --- measures and formulas of the experiments -----------------------------------------------------


def test_peak_of_a_data_sheet_per_watt() -> None:
    bench = Bench(load_experiment("fp-smr"))
    assert bench.value("a100_fp16") == pytest.approx(312 / 400)
    assert bench.value("over_a100_fp32") == pytest.approx(15.31 * 400 / 19.5)
    tops = make_measure({"kind": "gpu_peak", "gpu": "a100", "of": "tops"}, None)
    assert tops.value(bench) == pytest.approx(312.0)


def test_a_precision_that_a_gpu_lacks_is_refused() -> None:
    measure = make_measure({"kind": "gpu_peak", "gpu": "jetson-nano", "precision": "int8"}, None)
    with pytest.raises(InputError, match="int8"):
        measure.value(Bench(load_experiment("fp-smr")))


def test_regions_and_scaled_image_by_hand() -> None:
    bench = Bench(load_experiment("hirise"))
    whole, regions = 2560 * 1920 * 3, 16 * 112 * 112 * 3
    assert bench.value("grey") == pytest.approx(whole / (320 * 240 + regions))
    assert bench.value("colour") == pytest.approx(whole / (320 * 240 * 3 + regions))
    assert bench.value("conversions") == pytest.approx(bench.value("colour"))


def test_epochs_of_cpg_are_those_of_its_script() -> None:
    assert Bench(load_experiment("xst")).value("cpg_epochs") == 100 + 10 * 20 + 30


def test_share_learnt_at_the_published_energy_gives_that_energy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the energies of 5 and of 67 % of the columns, taken as linear."""
    bench = Bench(load_experiment("xst"))
    energies = {"cpg_j": 5.0, "xst_j": 1.0, "all_j": 4.1}
    monkeypatch.setattr(bench, "value", energies.__getitem__)
    share = bench.experiment.measures["learnt_at"].value(bench)
    slope = (4.1 - 1.0) / (0.67 - 0.05)
    assert 1.0 + slope * (share - 0.05) == pytest.approx(5.0 / 2.5)
