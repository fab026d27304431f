"""Masks, tables, einsum, few-bit weights and indices of ONNX files, against counts by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archsim.errors import InputError
from archsim.trace.model import Trace
from archsim.trace.onnx.importer import import_onnx
from archsim.trace.onnx.masks import is_table
from archsim.trace.operators import MatMul

T, HEADS, WIDTH = 6, 2, 4
FLOAT = TensorProto.FLOAT
Made = list[onnx.NodeProto]


def read(
    folder: Path, nodes: Made, tensors: dict[str, list[int]], output: list[int],
    constants: dict[str, Any] | None = None, *, opset: int = 17, **options: Any,
) -> Trace:  # fmt: skip
    """The trace of a small graph whose output is called y."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, FLOAT, shape) for n, shape in tensors.items()],
        [helper.make_tensor_value_info("y", FLOAT, output)],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in (constants or {}).items()],
    )
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=10)
    onnx.save(model, folder / "m.onnx")
    return import_onnx(folder / "m.onnx", **options)


def node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], **attributes)


AT = np.arange(T)
CAUSAL = AT[None] <= AT[:, None]
WINDOW = CAUSAL & (AT[None] > AT[:, None] - 3)
BLOCKS = AT[None] // 3 == AT[:, None] // 3
PREFIX = CAUSAL | (AT[None] < 3)


@pytest.mark.parametrize(
    ("seen", "kind", "pairs"),
    [(CAUSAL, "causal", 21), (WINDOW, "band", 15), (BLOCKS, "block", 18), (PREFIX, "prefix", 24)],
)
@pytest.mark.parametrize("form", ["add", "where"])
def test_a_constant_mask_is_what_it_hides(
    tmp_path: Path, seen: np.ndarray, kind: str, pairs: int, form: str
) -> None:
    """Pairs: 1+...+6; windows of 3: 1+2+3*4; two blocks of 3: 2*9; prefix of 3: 3*3+4+5+6."""
    hide = np.where(seen, 0, -1e9).astype(np.float32)[None, None]
    masked = [node("Add", "s m", "sm")] if form == "add" else [node("Where", "c s low", "sm")]
    constants = (
        {"m": hide}
        if form == "add"
        else {"c": seen[None, None], "low": np.float32(-1e30).reshape(1)}
    )
    trace = read(
        tmp_path,
        [
            node("Transpose", "k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q kt", "s"),
            *masked,
            node("Softmax", "sm", "p", axis=-1), node("MatMul", "p v", "y"),
        ],
        {n: [1, HEADS, T, WIDTH] for n in "qkv"},
        [1, HEADS, T, WIDTH],
        constants,
    )  # fmt: skip
    assert trace.macs() == 2 * HEADS * WIDTH * pairs
    assert trace.parameters(biases=True) == 0
    products = [layer for layer in trace.layers if isinstance(layer, MatMul)]
    found = ["causal" if p.causal else p.mask and p.mask.kind for p in products]
    assert found == [kind, kind]


def test_the_operator_attention_is_causal_where_it_says_so(tmp_path: Path) -> None:
    for causal, pairs in ((1, 21), (0, 36)):
        trace = read(
            tmp_path,
            [node("Attention", "q k v", "y", is_causal=causal, q_num_heads=2, kv_num_heads=2)],
            {n: [1, T, HEADS * WIDTH] for n in "qkv"},
            [1, T, HEADS * WIDTH],
            opset=23,
        )
        assert trace.macs() == 2 * HEADS * WIDTH * pairs


def test_tables_of_angles_masks_and_ids_are_not_learnt() -> None:
    angles = np.arange(9)[:, None] / 100 ** (np.arange(4) / 4)
    twice = np.concatenate([angles, angles], axis=1)
    assert is_table(np.cos(twice)) and is_table(np.sin(twice)[None, None])
    assert is_table(1.3 * np.cos(twice))  # with a factor, as YaRN has
    assert is_table(np.where(np.tri(4) > 0, 0, -1e9)) and is_table(np.arange(5))
    learnt = np.random.default_rng(0).normal(size=(9, 8))
    assert not is_table(learnt) and not is_table(np.ones((9, 8)) * 0.3)
    assert not is_table(np.zeros((9, 8)))


def test_a_rotary_table_and_a_learnt_position_table_side_by_side(tmp_path: Path) -> None:
    angles = np.arange(T)[:, None] / 10 ** (np.arange(WIDTH) / 4)
    trace = read(
        tmp_path,
        [node("Mul", "x c", "a"), node("Add", "a p", "y")],
        {"x": [1, T, WIDTH]},
        [1, T, WIDTH],
        {"c": np.cos(angles).astype(np.float32)[None],
         "p": np.random.default_rng(1).normal(size=(1, T, WIDTH)).astype(np.float32)},
    )  # fmt: skip
    assert trace.parameters(biases=True) == T * WIDTH


@pytest.mark.parametrize(
    ("equation", "weight", "output", "macs"),
    [
        ("btd,dh->bth", [8, 5], [1, T, 5], T * 8 * 5),
        ("btd,hd->bth", [5, 8], [1, T, 5], T * 8 * 5),
        ("btd,dhk->bthk", [8, 2, 3], [1, T, 2, 3], T * 8 * 6),
        ("btd,dhk->bhtk", [8, 2, 3], [1, 2, T, 3], T * 8 * 6),
    ],
)
def test_einsum_with_a_stored_factor_is_a_linear_layer(
    tmp_path: Path, equation: str, weight: list[int], output: list[int], macs: int
) -> None:
    w = np.random.default_rng(2).normal(size=weight).astype(np.float32)
    trace = read(
        tmp_path, [node("Einsum", "x w", "y", equation=equation)], {"x": [1, T, 8]}, output,
        {"w": w}, inputs={"x": np.ones((1, T, 8), np.float32)},
    )  # fmt: skip
    assert (trace.macs(), trace.parameters()) == (macs, w.size)
    assert [layer.op for layer in trace.layers] == ["linear"]


def test_einsum_of_two_activations_is_attention(tmp_path: Path) -> None:
    trace = read(
        tmp_path,
        [
            node("Einsum", "q k", "s", equation="bqhd,bkhd->bhqk"), node("Softmax", "s", "p"),
            node("Einsum", "p v", "y", equation="bhqk,bkhd->bqhd"),
        ],
        {n: [1, T, HEADS, WIDTH] for n in "qkv"},
        [1, T, HEADS, WIDTH],
    )  # fmt: skip
    assert trace.macs() == 2 * T * T * HEADS * WIDTH


def test_weights_of_few_bits(tmp_path: Path) -> None:
    trace = read(
        tmp_path,
        [node("MatMulNBits", "x w s", "y", K=32, N=8, bits=4, block_size=16,
              domain="com.microsoft")],
        {"x": [1, T, 32]},
        [1, T, 8],
        {"w": np.zeros((8, 2, 8), np.uint8), "s": np.ones(16, np.float32)},
    )  # fmt: skip
    (layer,) = trace.layers
    assert (trace.macs(), trace.parameters(), layer.weight_bits) == (T * 256, 256, 4)


def test_what_would_lose_weights_is_refused_whatever_is_allowed(tmp_path: Path) -> None:
    given = (
        [node("Einsum", "x w", "y", equation="btd,td->btd")], {"x": [1, T, 8]}, [1, T, 8],
        {"w": np.random.default_rng(2).normal(size=(T, 8)).astype(np.float32)},
    )  # fmt: skip
    for allowed in (False, True):
        with pytest.raises(InputError, match="Einsum") as fault:
            read(tmp_path, *given, allow_unknown=allowed)
        assert "allow" not in str(fault.value)


def test_indices_of_several_axes_reshape_or_pick(tmp_path: Path) -> None:
    whole = np.arange(T * WIDTH).reshape(T, WIDTH)
    for indices, moves in ((whole, 0), (whole[:, ::-1], 1)):
        trace = read(
            tmp_path,
            [node("Gather", "x i", "g", axis=0), node("Relu", "g", "y")],
            {"x": [T * WIDTH]},
            [T, WIDTH],
            {"i": indices},
        )
        assert sum(layer.op == "move" for layer in trace.layers) == moves


def test_an_empty_slice_leaves_nothing(tmp_path: Path) -> None:
    trace = read(
        tmp_path,
        [
            node("MatMul", "x w", "h"), node("Slice", "h end far last", "rest"),
            node("Concat", "h rest", "y", axis=-1),
        ],
        {"x": [1, T, 8]},
        [1, T, 8],
        {"w": np.ones((8, 8), np.float32), "end": np.array([8]), "far": np.array([99]),
         "last": np.array([2])},
    )  # fmt: skip
    assert [layer.op for layer in trace.layers] == ["linear"]


def test_layers_have_the_names_of_their_modules(tmp_path: Path) -> None:
    product = node("MatMul", "x w", "y")
    entry = product.metadata_props.add()
    entry.key = "pkg.torch.onnx.name_scopes"
    entry.value = "['', 'model', 'model.layers.0.q_proj', 'linear']"
    trace = read(tmp_path, [product], {"x": [1, T, 8]}, [1, T, 8], {"w": np.ones((8, 8), "f")})
    assert [layer.name for layer in trace.layers] == ["model.layers.0.q_proj"]
