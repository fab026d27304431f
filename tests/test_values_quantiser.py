"""Quantisation schemes, encodings, histograms in files and FP8, counted another way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from values_of import Codes, bit_string, stats_of

from archsim.errors import InputError
from archsim.trace.encoding import Encoding, one_density
from archsim.trace.fp8 import FORMATS, encode
from archsim.trace.load import load_trace
from archsim.trace.quantiser import Quantiser
from archsim.trace.scaling import Scheme, magnitude_percentile
from archsim.trace.stats import TensorStats, code_stats, quantise, tensor_stats

ROOT = Path(__file__).parent.parent
Matrix = NDArray[np.float64]
BITS = st.integers(2, 12)
ENCODINGS: list[Encoding] = ["twos_complement", "sign_magnitude", "offset"]
MATRICES = st.tuples(st.integers(1, 12), st.integers(1, 40), st.integers(0, 2**32)).map(
    lambda drawn: np.random.default_rng(drawn[2]).normal(size=drawn[:2]) * 10.0 ** (drawn[2] % 7)
)


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=50), st.sampled_from(ENCODINGS))
def test_density_of_any_encoding_from_the_histogram(codes: list[int], encoding: Encoding) -> None:
    stats = code_stats([codes], 8, 0.5, encoding=encoding)
    texts = [bit_string(code, 8, encoding) for code in codes]
    ones = [sum(text[7 - plane] == "1" for text in texts) / len(codes) for plane in range(8)]
    assert one_density(stats.histogram, 8, encoding) == pytest.approx(ones)
    assert stats.one_density == pytest.approx(ones, abs=1e-6)
    assert (stats.minimum, stats.maximum) == (min(codes) / 2, max(codes) / 2)


def test_encodings_by_hand() -> None:
    """Codes 3 and -2: 011 and 110; sign and magnitude 011 and 110; offset 111 and 010."""
    histogram = stats_of([3, -2], 3).histogram
    assert one_density(histogram, 3, "twos_complement") == [0.5, 1.0, 0.5]
    assert one_density(histogram, 3, "sign_magnitude") == [0.5, 1.0, 0.5]
    assert one_density(histogram, 3, "offset") == [0.5, 1.0, 0.5]
    minus_one = stats_of([-1], 3).histogram
    assert one_density(minus_one, 3, "twos_complement") == [1, 1, 1]
    assert one_density(minus_one, 3, "sign_magnitude") == [1, 0, 1]
    assert one_density(minus_one, 3, "offset") == [1, 1, 0]


def test_wide_codes_have_no_single_bins() -> None:
    with pytest.raises(ValueError, match="12 bits"):
        one_density(tensor_stats([1.0, 2.0], 12).histogram, 12, "offset")


@given(MATRICES, BITS)
def test_every_token_has_its_own_scale(values: Matrix, bits: int) -> None:
    stats = Quantiser(input_bits=bits, scheme="per_token_symmetric").activations(values)
    rows = [quantise(row, bits)[0] for row in values]
    assert stats == code_like(stats, np.array(rows))
    assert stats.scale == pytest.approx(np.abs(values).max() / (2 ** (bits - 1) - 1))


@given(MATRICES, BITS)
def test_every_column_has_its_own_scale(values: Matrix, bits: int) -> None:
    stats = Quantiser(weight_bits=bits, scheme="per_column_symmetric").weights(values)
    columns = [quantise(column, bits)[0] for column in values.T]
    assert stats == code_like(stats, np.array(columns).T)


def code_like(stats: TensorStats, codes: Codes) -> TensorStats:
    """The same statistics, with everything that depends on the codes counted anew from `codes`."""
    counted = code_stats(codes, stats.bits, 1.0, columns=stats.columns is not None)
    fields = ("samples", "histogram", "zero_share", "one_density", "columns")
    return stats.model_copy(update={name: getattr(counted, name) for name in fields})


@given(MATRICES, BITS, st.sampled_from(["twos_complement", "offset"]))
def test_affine_codes_reach_both_ends(values: Matrix, bits: int, encoding: Encoding) -> None:
    stats = Quantiser(input_bits=bits, scheme="affine", encoding=encoding).activations(values)
    low, high = min(values.min(), 0), max(values.max(), 0)
    lowest = -(2 ** (bits - 1))
    for value, code in ((low, lowest), (high, -lowest - 1)):
        assert abs(value / stats.scale + stats.zero_point - code) <= 0.5 + 1e-6
    assert lowest <= stats.zero_point < -lowest
    codes = np.clip(np.rint(values / stats.scale) + stats.zero_point, lowest, -lowest - 1)
    assert stats.zero_share == pytest.approx((codes == stats.zero_point).mean(), abs=1e-6)


def test_affine_after_relu_by_hand() -> None:
    """0, 1, 2, 3 in two bits: code -2 is 0, and with offset encoding its pattern is 00."""
    stats = Quantiser(input_bits=2, scheme="affine", encoding="offset").activations([[0, 1, 2, 3]])
    assert (stats.scale, stats.zero_point) == (1.0, -2)
    assert stats.one_density == [0.5, 0.5] and stats.zero_share == 0.25
    with pytest.raises(ValueError, match="no sign"):
        Quantiser(scheme="affine", encoding="sign_magnitude").activations([[1.0]])


def test_clipping_saves_the_small_values_of_an_outlier() -> None:
    values = np.linspace(-1, 1, 999)[None, :].copy()
    values[0, 0] = -2823.0
    plain = Quantiser().activations(values)
    clipped = Quantiser(clip=99.5).activations(values)
    assert plain.zero_share > 0.99 > 0.01 > clipped.zero_share
    assert clipped.clip == 99.5 and clipped.minimum == -2823.0
    assert clipped.clipped_share == pytest.approx(0.005, abs=0.0011)
    assert clipped.scale * 127 == pytest.approx(0.995, abs=0.0025)  # values lie 0.002 apart


@given(MATRICES, st.floats(1, 100))
def test_percentile_against_the_sorted_magnitudes(values: Matrix, percent: float) -> None:
    found = magnitude_percentile(lambda: [values[:3], values[3:]], percent)
    exact = np.quantile(np.abs(values), percent / 100, method="inverted_cdf")
    assert exact <= found <= exact * (1 + 2**-11)


@given(MATRICES, st.data(), st.sampled_from(get_args(Scheme)), st.sampled_from([None, 90.0]))
def test_streaming_does_not_depend_on_the_cuts(
    values: Matrix, data: st.DataObject, scheme: Scheme, clip: float | None
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    quantiser = Quantiser(scheme=scheme, clip=clip)
    blocks = np.split(values, cuts)
    assert quantiser.stream_activations(lambda: iter(blocks)) == quantiser.activations(values)
    assert quantiser.stream_weights(lambda: iter(blocks)) == quantiser.weights(values)


def test_blocks_of_different_widths() -> None:
    with pytest.raises(ValueError, match="3 columns, the one before 2"):
        Quantiser().stream_weights(lambda: [np.ones((1, 2)), np.ones((1, 3))])
    with pytest.raises(ValueError, match="no values"):
        Quantiser().stream_weights(lambda: [np.ones((0, 2))])


def test_values_that_are_no_numbers_are_counted_in_all_blocks() -> None:
    blocks = [np.array([[1.0, np.nan]]), np.array([[np.inf, np.nan]])]
    with pytest.raises(ValueError, match="3 NaN or infinite"):
        Quantiser().stream_activations(lambda: blocks)


def test_codes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="-8 to 7"):
        code_stats([[8]], 4, 1.0)


@given(st.lists(st.integers(0, 3), min_size=256, max_size=256).filter(any), st.integers(0, 255))
def test_histograms_in_files(counts: list[int], only: int) -> None:
    """Runs or all bins, whichever is shorter; both read back."""
    sparse = [0] * 256
    sparse[only] = 7
    for histogram in (counts, sparse):
        stats = stats_of([0]).model_copy(update={"histogram": histogram})
        written = json.loads(stats.model_dump_json())
        assert len(json.dumps(written["histogram"])) <= len(json.dumps(histogram)) + 256
        assert TensorStats.model_validate(written).histogram == histogram
        assert TensorStats.model_validate(stats.model_dump()).histogram == histogram
    assert written["histogram"] == [[only, [7]]]


@pytest.mark.parametrize(
    "histogram", [[[250, [1] * 7]], [[-1, [1]]], [[1, 2]], [["a", [1]]], [1, 2], "many"]
)
def test_histograms_that_are_none(histogram: object) -> None:
    data = stats_of([0]).model_dump() | {"histogram": histogram}
    with pytest.raises(ValidationError, match="histogram"):
        TensorStats.model_validate(data)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"zero_point": 3}, "affine"),
        ({"columns": {"count": 1, "width": 1, "offset": [[0]], "positive": [[0]],
                      "negative": [[0]]}}, "8 bits"),
        ({"columns": {"count": 3, "width": 2, "offset": [[0] * 8], "positive": [[0] * 8],
                      "negative": [[0] * 8]}}, "entries"),
        ({"clip": 101}, "clip"),
        ({"scheme": "per_row"}, "scheme"),
    ],
)  # fmt: skip
def test_statistics_that_contradict_themselves(change: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        TensorStats.model_validate(stats_of([0]).model_dump() | change)


def test_defaults_and_options() -> None:
    assert Quantiser.from_options() == Quantiser()
    made = Quantiser.from_options(bits=4, input_bits=6, scheme="per_token_symmetric", clip=99.9)
    assert (made.weight_bits, made.input_bits, made.clip) == (4, 6, 99.9)
    for options, fix in (
        ({"scheme": "per_token_symetric"}, "per_token_symmetric"),
        ({"encoding": "gray"}, "offset"),
        ({"bits": 33}, "2 to 32"),
        ({"clip": 0.0}, "at most 100"),
        ({"scheme": "affine", "encoding": "sign_magnitude"}, "offset"),
    ):
        with pytest.raises(InputError, match=fix):
            Quantiser.from_options(**options)


@pytest.mark.parametrize(("name", "kind"), [("e4m3", "float8_e4m3fn"), ("e5m2", "float8_e5m2")])
def test_fp8_codes_against_another_implementation(name: str, kind: str) -> None:
    other = pytest.importorskip("ml_dtypes")
    form = FORMATS[name]
    magnitudes = np.random.default_rng(2).lognormal(0, 6, 20_000).astype(np.float32)
    edges = [0, form.maximum, 1e9, *(n * 2.0**-18 for n in range(64))]
    values = np.concatenate([magnitudes, np.array(edges, dtype=np.float32)])
    theirs = np.minimum(values, form.maximum).astype(getattr(other, kind)).view(np.uint8)
    assert encode(-values, form).tolist() == theirs.tolist()


def test_fp8_by_hand() -> None:
    """448, 1.5, 2^-9 (the smallest subnormal of E4M3) and 0, at a scale of 1."""
    found = tensor_stats([448.0, 1.5, 2.0**-9, 0.0]).fp8
    assert found is not None
    e4m3 = found.e4m3
    assert e4m3.scale == 1.0
    # 448 is 1111 110, 1.5 is 0111 100, 2^-9 is 0000 001
    assert {i: n for i, n in enumerate(e4m3.exponent_histogram) if n} == {0: 2, 7: 1, 15: 1}
    assert e4m3.mantissa_one_density == [0.25, 0.25, 0.5]
    assert (e4m3.zero_share, e4m3.subnormal_share) == (0.25, 0.25)
    assert found.e5m2.scale == pytest.approx(448 / 57344)
    assert len(found.e5m2.exponent_histogram) == 32 and found.e5m2.subnormal_share == 0.0


@given(MATRICES)
def test_fp8_counts_every_value(values: Matrix) -> None:
    found = tensor_stats(values).fp8
    assert found is not None
    for form in (found.e4m3, found.e5m2):
        assert sum(form.exponent_histogram) == values.size
        assert form.zero_share + form.subnormal_share == pytest.approx(
            form.exponent_histogram[0] / values.size, abs=2e-6
        )


@pytest.mark.parametrize(
    "path", sorted((ROOT / "traces").glob("*.trace.json")), ids=lambda p: p.name
)
def test_committed_traces_are_small_and_agree_with_themselves(path: Path) -> None:
    """Densities recorded from the values equal those of the histogram."""
    assert path.stat().st_size < 1_000_000
    for layer in load_trace(path).layers:
        for stats in (layer.weight_stats, layer.input_stats, layer.output_stats):
            if stats is not None and stats.bits <= 8:
                derived = one_density(stats.histogram, stats.bits, stats.encoding)
                assert derived == pytest.approx(stats.one_density, abs=1e-6)
