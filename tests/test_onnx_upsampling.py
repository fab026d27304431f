"""Transposed convolution and interpolation: layers, values, and what each position needs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx_graphs import GraphMaker, run, sample

from archsim.mapping.primitives import elements_read, primitives
from archsim.trace.layer import ShapeError
from archsim.trace.model import Trace
from archsim.trace.onnx import import_onnx
from archsim.trace.operators import Fold
from archsim.trace.stats import tensor_stats

Pair = tuple[int, int]


@pytest.fixture
def maker(tmp_path: Path) -> GraphMaker:
    return GraphMaker(tmp_path)


def summary(trace: Trace) -> list[str]:
    """Operator, and function where it has one, of each layer."""
    return [
        layer.op + (f" {layer.function}" if hasattr(layer, "function") else "")
        for layer in trace.layers
    ]


# Transposed convolution


def overlap_add(patches: NDArray[Any], layer: Fold) -> NDArray[Any]:
    """The sum of patches (H, W, C * kh * kw), laid out by the fold's own fields."""
    height, width, _ = patches.shape
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    top, left, bottom, right = layer.padding
    out_h, out_w, channels = layer.shape
    full = np.zeros((out_h + top + bottom + kh, out_w + left + right + kw, channels))
    blocks = patches.reshape(height, width, channels, kh, kw)
    for y in range(height):
        for x in range(width):
            for i in range(kh):
                for j in range(kw):
                    place = (y * sh + i * layer.dilation[0], x * sw + j * layer.dilation[1])
                    full[place] += blocks[y, x, :, i, j]
    return full[top : top + out_h, left : left + out_w]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    "fields",
    [
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 1, 1, 0], "output_padding": [1, 0]},
        {"kernel_shape": [3, 2], "dilations": [2, 1]},
    ],
)
def test_transposed_convolution(maker: GraphMaker, groups: int, fields: dict[str, Any]) -> None:
    x = maker.input("x", [1, 4, 5, 3])
    weight = maker.weight(4, 6 // groups, *fields["kernel_shape"])
    y = maker.node("ConvTranspose", x, weight, maker.weight(6), group=groups, **fields)
    y = maker.node("Add", y, maker.weight(1, 6, 1, 1))
    path = maker.save(maker.batch_norm(y, 6))
    values = sample(1, 4, 5, 3)
    trace = import_onnx(path, inputs={"x": values})
    made, fold = trace.layers
    assert (made.op, fold.op) == ("linear" if groups == 1 else "conv2d", "fold")
    taps = math.prod(fields["kernel_shape"])
    assert trace.macs() == 15 * 4 * (6 // groups) * taps
    assert trace.parameters() == 4 * (6 // groups) * taps
    assert trace.parameters(biases=True) - trace.parameters() == 4 * 6
    (output,) = run(path, {"x": values}, maker.nodes[-1].output[0])
    assert fold.output_stats == tensor_stats(output)
    assert trace.shapes[fold.name] == (*output.shape[2:], 6)
    assert made.output_stats == fold.input_stats

    gamma, beta, mean, variance = (maker.weights[n] for n in maker.nodes[-1].input[1:])
    scale = gamma / np.sqrt(variance + 1e-5)
    terms = maker.weights[maker.nodes[0].input[2]] + maker.weights["const2"].ravel() - mean
    kernels = maker.weights[weight].reshape(groups, 4 // groups, -1)
    rows = values[0].transpose(1, 2, 0).reshape(5, 3, groups, 4 // groups)
    patches = np.einsum("hwgc,gco->hwgo", rows, kernels).reshape(5, 3, -1)
    rebuilt = overlap_add(patches, fold) * scale + (terms * scale + beta)
    np.testing.assert_allclose(rebuilt, output[0].transpose(1, 2, 0), atol=1e-4)
    assert made.output_stats.maximum == pytest.approx(
        (patches.reshape(5, 3, 6, -1) * scale[:, None]).max(), rel=1e-5
    )


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


paddings = st.tuples(st.integers(0, 2), st.integers(0, 2))


@given(size=pairs, kernel=pairs, stride=pairs, dilation=pairs, pads=paddings)
def test_fold_waits_for_the_patches_that_reach_a_position(
    size: Pair, kernel: Pair, stride: Pair, dilation: Pair, pads: Pair
) -> None:
    covered = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    whole = [(n - 1) * s + c for n, s, c in zip(size, stride, covered, strict=True)]
    out = [total - pad for total, pad in zip(whole, pads, strict=True)]
    assume(min(out) > 0)
    layer = Fold(op="fold", name="f", inputs=["x"], kernel=kernel, stride=stride,
                 dilation=dilation, padding=(*pads, 0, 0), shape=[*out, 2])  # fmt: skip
    patches = (*size, kernel[0] * kernel[1] * 2)
    output = layer.output_shape([patches])
    reach = layer.reach(0, [patches], output)
    assert (np.diff(reach.first) >= 0).all()
    assert (np.diff(reach.last) >= 0).all()
    for y, x in np.ndindex(*out):
        met = [
            i * size[1] + j
            for i, j in np.ndindex(*size)
            if (y + pads[0] - i * stride[0]) in range(0, covered[0], dilation[0])
            and (x + pads[1] - j * stride[1]) in range(0, covered[1], dilation[1])
        ]
        if met:
            assert reach.first[y * out[1] + x] <= min(met)
            assert reach.last[y * out[1] + x] >= max(met)


def test_fold_by_hand() -> None:
    layer = Fold(op="fold", name="f", inputs=["x"], kernel=(3, 3), stride=(2, 2),
                 padding=(1, 1, 0, 0), shape=[7, 7, 2])  # fmt: skip
    output = layer.output_shape([(4, 4, 18)])
    reach = layer.reach(0, [(4, 4, 18)], output)
    assert reach.last[0] == 0  # (1, 1) of the sum lies in the first patch alone
    assert reach.last[48] == 15
    assert layer.overlap == 4
    assert primitives(layer, [(4, 4, 18)], output) == {"add": 8}
    assert elements_read(layer, 0, [(4, 4, 18)], output) == 8
    with pytest.raises(ShapeError, match="expects patches of 18 values, has 9"):
        layer.output_shape([(4, 4, 9)])
    with pytest.raises(ShapeError, match="at most 5 positions along axis 0, not 7"):
        layer.output_shape([(2, 4, 18)])


@pytest.mark.parametrize("size", [(3, 4), (9, 2), (4, 12)])
def test_a_resized_map_needs_its_neighbourhood(size: tuple[int, int], maker: GraphMaker) -> None:
    x = maker.input("x", [1, 2, 6, 4])
    target = maker.constant(np.array([1, 2, *size], np.int64))
    trace = import_onnx(maker.save(maker.node("Resize", x, "", "", target, mode="linear")))
    (layer,) = trace.layers
    reach = layer.reach(0, [(6, 4, 2)], (*size, 2))
    for y in range(size[0]):
        for x_ in range(size[1]):
            near = [(y + 0.5) * 6 / size[0] - 0.5, (x_ + 0.5) * 4 / size[1] - 0.5]
            rows = [int(np.clip(np.floor(near[0]) + d, 0, 5)) for d in (0, 1)]
            columns = [int(np.clip(np.floor(near[1]) + d, 0, 3)) for d in (0, 1)]
            n = y * size[1] + x_
            assert reach.first[n] <= rows[0] * 4 + columns[0]
            assert reach.last[n] >= rows[1] * 4 + columns[1]
    assert reach.last[0] < 23 or size[0] == 3  # the first row does not wait for the last
