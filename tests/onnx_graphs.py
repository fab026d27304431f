"""Small ONNX graphs, written to a folder, for the importer's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from archsim.trace.model import Trace

FLOAT = TensorProto.FLOAT


def sample(*shape: int) -> NDArray[np.float32]:
    """The same normal values every time."""
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def run(path: Path, feeds: dict[str, Any], *names: str) -> list[NDArray[Any]]:
    """Values of named tensors, read by a session of the tests' own."""
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return list(session.run(list(names), feeds))


def summary(trace: Trace) -> list[tuple[str, ...]]:
    """(operator, function) of each layer."""
    return [
        (layer.op, layer.function) if hasattr(layer, "function") else (layer.op,)
        for layer in trace.layers
    ]


def shapes(trace: Trace) -> list[tuple[int, ...]]:
    """Output shape of each layer."""
    return [trace.shapes[layer.name] for layer in trace.layers]


class GraphMaker:
    """Collects nodes and weights; every call returns the name of a tensor."""

    def __init__(self, folder: Path, opset: int = 17, seed: int = 7):
        self.folder, self.opset = folder, opset
        self.nodes: list[Any] = []
        self.weights: dict[str, NDArray[Any]] = {}
        self.inputs: list[Any] = []
        self.random = np.random.default_rng(seed)

    def input(self, name: str, shape: list[int | str], kind: int = FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def weight(self, *shape: int, low: float = -1.0, high: float = 1.0) -> str:
        return self.constant(self.random.uniform(low, high, shape).astype(np.float32))

    def constant(self, value: Any, name: str | None = None) -> str:
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = name or f"const{len(self.weights)}"
        self.weights[name] = array
        return name

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        index = len(self.nodes)
        names = [f"{op}_{index}.{i}" for i in range(outputs)]
        self.nodes.append(
            helper.make_node(op, list(inputs), names, name=f"{op}_{index}", **attributes)
        )
        return names[0] if outputs == 1 else names

    def model(self, *outputs: str) -> Any:
        graph = helper.make_graph(
            self.nodes,
            "test",
            self.inputs,
            [helper.make_tensor_value_info(o, FLOAT, None) for o in outputs],
            [numpy_helper.from_array(v, k) for k, v in self.weights.items()],
        )
        sets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=sets)
        model.ir_version = 8
        return model

    def save(self, *outputs: str) -> Path:
        path = self.folder / "model.onnx"
        onnx.save(self.model(*outputs), path)
        return path

    # Blocks

    def batch_norm(self, x: str, channels: int) -> str:
        return self.node(
            "BatchNormalization",
            x,
            self.weight(channels, low=0.5, high=2.0),
            self.weight(channels),
            self.weight(channels),
            self.weight(channels, low=0.5, high=2.0),
        )

    def layer_norm(self, x: str, channels: int) -> str:
        """Layer norm as exporters wrote it before opset 17."""
        centred = self.node("Sub", x, self.node("ReduceMean", x, axes=[-1]))
        square = self.node("Pow", centred, self.constant(2.0))
        variance = self.node("ReduceMean", square, axes=[-1])
        root = self.node("Sqrt", self.node("Add", variance, self.constant(1e-5)))
        ratio = self.node("Div", centred, root)
        return self.node(
            "Add", self.node("Mul", ratio, self.weight(channels)), self.weight(channels)
        )

    def gelu(self, x: str) -> str:
        erf = self.node("Erf", self.node("Div", x, self.constant(2**0.5)))
        product = self.node("Mul", x, self.node("Add", erf, self.constant(1.0)))
        return self.node("Mul", product, self.constant(0.5))

    def linear(self, x: str, rows: int, columns: int) -> str:
        product = self.node("MatMul", x, self.weight(rows, columns))
        return self.node("Add", product, self.weight(columns))

    def heads(self, x: str, tokens: int, heads: int, width: int, perm: list[int]) -> str:
        shape = self.constant(np.array([1, tokens, heads, width], np.int64))
        return self.node("Transpose", self.node("Reshape", x, shape), perm=perm)

    def encoder_block(self, x: str, tokens: int, heads: int, width: int) -> str:
        """A pre-norm transformer block with decomposed layer norm and GELU."""
        total = heads * width
        normed = self.layer_norm(x, total)
        q = self.heads(self.linear(normed, total, total), tokens, heads, width, [0, 2, 1, 3])
        k = self.heads(self.linear(normed, total, total), tokens, heads, width, [0, 2, 3, 1])
        v = self.heads(self.linear(normed, total, total), tokens, heads, width, [0, 2, 1, 3])
        scores = self.node("Div", self.node("MatMul", q, k), self.constant(width**0.5))
        context = self.node("MatMul", self.node("Softmax", scores, axis=-1), v)
        joined = self.node(
            "Reshape",
            self.node("Transpose", context, perm=[0, 2, 1, 3]),
            self.constant(np.array([1, tokens, total], np.int64)),
        )
        x = self.node("Add", x, self.linear(joined, total, total))
        hidden = self.gelu(self.linear(self.layer_norm(x, total), total, 4 * total))
        return self.node("Add", x, self.linear(hidden, 4 * total, total))
