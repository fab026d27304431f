"""Traces of PyTorch modules: layers, counts and values against the modules themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="traces of PyTorch modules take torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import archsim  # noqa: E402
from archsim.errors import InputError  # noqa: E402
from archsim.trace.load import load_trace, save_trace  # noqa: E402
from archsim.trace.model import Trace  # noqa: E402
from archsim.trace.operators import (  # noqa: E402
    Linear,
    MatMul,
    Norm,
    Recurrent,
    Softmax,
    Unknown,
)
from archsim.trace.pytorch.capture import arguments, capture  # noqa: E402
from archsim.trace.pytorch.run import run  # noqa: E402
from archsim.trace.pytorch.tracing import trace_module  # noqa: E402
from archsim.trace.quantiser import Quantiser  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Calls(nn.Module):
    """A module from a function and the modules that it uses."""

    def __init__(self, compute: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.compute = compute

    def forward(self, *inputs: Tensor) -> Any:
        return self.compute(self, *inputs)


def ops(trace: Trace) -> list[str]:
    return [layer.op for layer in trace.layers]


def layer_of(trace: Trace, name: str) -> Any:
    return next(layer for layer in trace.layers if layer.name == name)


def learnt(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


class Small(nn.Module):
    """Convolution, batch norm, in-place ReLU, depthwise, residual, pool, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(self.conv(x)), inplace=True)
        y = self.depthwise(x) + x
        return self.fc(F.adaptive_avg_pool2d(F.max_pool2d(y, 2), 1).flatten(1))


def test_a_network_by_hand(tmp_path: Path) -> None:
    module = Small().eval()
    module.bn.running_mean.normal_()
    module.bn.running_var.uniform_(0.5, 2)
    trace = trace_module(module, torch.randn(1, 3, 8, 8), name="small")
    assert [(layer.name, layer.op) for layer in trace.layers] == [
        ("conv", "conv2d"), ("relu", "activation"), ("depthwise", "conv2d"),
        ("add", "elementwise"), ("maxpool", "pool"), ("averagepool", "pool"), ("fc", "linear"),
    ]  # fmt: skip
    assert layer_of(trace, "add").inputs == ["depthwise", "relu"]
    assert trace.macs() == 64 * 27 * 8 + 64 * 9 * 8 + 8 * 5
    assert trace.parameters() == 8 * 27 + 8 * 9 + 8 * 5
    assert trace.parameters(biases=True) == learnt(module)
    folded = module.bn.weight / torch.sqrt(module.bn.running_var + module.bn.eps)
    matrix = (module.conv.weight * folded[:, None, None, None]).reshape(8, 27).T
    stats = layer_of(trace, "conv").weight_stats
    assert stats.scale == pytest.approx(Quantiser().weights(matrix.detach().numpy()).scale)
    relu = layer_of(trace, "relu").output_stats
    assert relu.minimum == 0 and layer_of(trace, "conv").output_stats.minimum < 0
    save_trace(trace, tmp_path / "small.trace.json")
    assert load_trace(tmp_path / "small.trace.json") == trace


def test_the_codes_of_a_convolution_give_its_output_within_the_quantisation_error() -> None:
    module = nn.Conv2d(3, 4, 3).eval()
    image = torch.randn(1, 3, 6, 6)
    trace = trace_module(module, image)
    layer = trace.layers[0]
    assert layer.weight_stats and layer.input_stats and trace.inputs[0].stats == layer.input_stats
    dx, dw = layer.input_stats.scale, layer.weight_stats.scale
    x, w = torch.round(image / dx) * dx, torch.round(module.weight / dw) * dw
    with torch.no_grad():
        found, expected = F.conv2d(x, w, module.bias), module(image)
    bound = 27 * (module.weight.abs().max() * dx / 2 + image.abs().max() * dw / 2 + dx * dw / 4)
    assert 0 < (found - expected).abs().max() < bound
    assert layer.output_stats is not None
    assert layer.output_stats.maximum == pytest.approx(float(expected.max()))


def test_batch_norm_without_a_convolution_is_a_norm() -> None:
    module = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)).eval()
    trace = trace_module(module, torch.randn(1, 3, 4, 4))
    assert ops(trace) == ["activation", "norm"]
    norm = trace.layers[1]
    assert isinstance(norm, Norm) and (norm.function, norm.biases) == ("batch", 6)


def test_a_layer_that_two_read_takes_no_batch_norm() -> None:
    module = Calls(
        lambda m, x: m.bn(m.conv(x)) + m.conv(x), conv=nn.Conv2d(2, 2, 1), bn=nn.BatchNorm2d(2)
    ).eval()
    trace = trace_module(module, torch.randn(1, 2, 4, 4))
    assert ops(trace) == ["conv2d", "conv2d", "elementwise"]  # two calls of one module
    assert trace.layers[1].tied_to == "conv"
    assert trace.parameters() == 4


def attention(m: Any, x: Tensor, **options: Any) -> Tensor:
    """Heads of 4 channels; keys and values may have fewer of them."""
    q, k, v = (part(x).unflatten(-1, (-1, 4)).transpose(1, 2) for part in (m.q, m.k, m.v))
    shared = {"enable_gqa": True} if k.shape != q.shape else {}
    context = F.scaled_dot_product_attention(q, k, v, **options, **shared)
    return m.o(context.transpose(1, 2).flatten(2))


def attending(
    compute: Callable[..., Tensor] = attention, shared: int = 12, **options: Any
) -> Calls:
    return Calls(
        lambda m, x: compute(m, x, **options),
        q=nn.Linear(12, 12), k=nn.Linear(12, shared), v=nn.Linear(12, shared),
        o=nn.Linear(12, 12, bias=False),
    ).eval()  # fmt: skip


def test_attention_is_seen_as_its_products() -> None:
    trace = trace_module(attending(), torch.randn(1, 7, 12))
    assert ops(trace) == ["linear"] * 3 + ["matmul", "softmax", "matmul", "linear"]
    scores, context = trace.layers[3], trace.layers[5]
    assert isinstance(scores, MatMul) and isinstance(context, MatMul)
    assert (scores.heads, scores.k, scores.n, scores.transposed) == (3, 4, 7, True)
    assert (context.heads, context.k, context.n, context.transposed) == (3, 7, 4, False)
    assert isinstance(trace.layers[4], Softmax) and trace.layers[4].groups == 3
    assert trace.macs() == 4 * 7 * 144 + 2 * 7 * 7 * 12
    # the factor 1/2 of the scores went into the query's weights
    query = trace.layers[0].weight_stats
    plain = trace_module(nn.Linear(12, 12), torch.randn(1, 7, 12)).layers[0].weight_stats
    assert query and plain and query.histogram != plain.histogram


def eager(m: Any, x: Tensor, fill: bool) -> Tensor:
    """Causal attention as models write it by hand."""
    q, k, v = (part(x).view(1, -1, 3, 4).transpose(1, 2) for part in (m.q, m.k, m.v))
    scores = q @ k.transpose(-2, -1) / 2
    later = torch.ones(x.shape[1], x.shape[1]).triu(1)
    if fill:
        scores = scores.masked_fill(later.bool(), float("-inf"))
    else:
        scores = scores + later * torch.finfo(torch.float32).min
    return m.o((scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape))


@pytest.mark.parametrize(
    ("compute", "options"),
    [
        (attention, {"is_causal": True}),
        (attention, {"attn_mask": torch.ones(7, 7).tril().bool()}),
        (eager, {"fill": True}),
        (eager, {"fill": False}),
    ],
)
def test_causal_attention_however_it_is_written(compute: Any, options: dict[str, Any]) -> None:
    trace = trace_module(attending(compute, **options), torch.randn(1, 7, 12))
    products = [layer for layer in trace.layers if isinstance(layer, MatMul)]
    assert [layer.causal for layer in products] == [True, True]
    assert trace.macs() == 4 * 7 * 144 + 2 * 12 * 28
    for layer in trace.layers:
        if isinstance(layer, Softmax):
            assert layer.output_stats and layer.output_stats.samples == 3 * 28
            assert layer.output_stats.minimum > 0


def test_grouped_query_attention() -> None:
    trace = trace_module(attending(shared=4, is_causal=True), torch.randn(1, 7, 12))
    products = [layer for layer in trace.layers if isinstance(layer, MatMul)]
    assert [layer.kv_heads for layer in products] == [1, 1]


def test_a_mask_that_hides_nothing_leaves_no_trace() -> None:
    plain = trace_module(attending(), torch.ones(1, 7, 12))
    masked = trace_module(attending(attn_mask=torch.ones(7, 7).bool()), torch.ones(1, 7, 12))
    assert [layer.op for layer in plain.layers] == [layer.op for layer in masked.layers]


@pytest.mark.parametrize("first", [True, False])
def test_multihead_attention(first: bool) -> None:
    module = nn.MultiheadAttention(12, 3, batch_first=first).eval()
    shape = (1, 7, 12) if first else (7, 1, 12)
    x = torch.randn(shape)
    trace = trace_module(module, (x, x, x))
    assert ops(trace) == ["linear"] * 3 + ["matmul", "softmax", "matmul", "linear"]
    assert [i.name for i in trace.inputs] == ["query"]  # the same tensor three times
    assert trace.parameters(biases=True) == learnt(module)
    assert {layer.tied_to for layer in trace.layers} == {None}


CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("both", [False, True])
def test_recurrent_layers(cell: str, both: bool) -> None:
    module = CELLS[cell](6, 5, num_layers=2, bidirectional=both, batch_first=True).eval()
    wrapped = Calls(lambda m, x: m.cell(x)[0], cell=module)
    trace = trace_module(wrapped, torch.randn(1, 9, 6))
    layers = [layer for layer in trace.layers if isinstance(layer, Recurrent)]
    assert [layer.cell for layer in layers] == [cell] * (4 if both else 2)
    gates, inner = {"lstm": 4, "gru": 3, "rnn": 1}[cell], 10 if both else 5
    ways = 2 if both else 1
    assert trace.macs() == 9 * ways * gates * 5 * ((6 + 5) + (inner + 5))
    assert trace.parameters(biases=True) == learnt(module)
    assert trace.shapes[trace.layers[-1].name] == (9, inner)


def test_a_first_state_that_is_computed_is_refused() -> None:
    module = Calls(lambda m, x: m.cell(x, m.cell(x)[1])[0], cell=nn.GRU(6, 6, batch_first=True))
    with pytest.raises(InputError, match="first state that is computed"):
        trace_module(module.eval(), torch.randn(1, 9, 6))


def test_tied_weights_are_counted_once() -> None:
    embedding, head = nn.Embedding(11, 4), nn.Linear(4, 11, bias=False)
    head.weight = embedding.weight
    module = Calls(lambda m, ids: m.head(m.embedding(ids)), embedding=embedding, head=head)
    trace = trace_module(module, torch.tensor([[3, 1, 4]]))
    assert [layer.tied_to for layer in trace.layers] == [None, "embedding"]
    assert trace.parameters() == learnt(module) == 44
    assert trace.inputs[0].stats is None


def test_a_shared_module_is_called_twice_and_stored_once() -> None:
    module = Calls(lambda m, x: m.fc(m.fc(x).relu()), fc=nn.Linear(4, 4))
    trace = trace_module(module, torch.randn(1, 3, 4))
    assert [(layer.name, layer.tied_to) for layer in trace.layers] == [
        ("fc", None), ("relu", None), ("fc_2", "fc"),
    ]  # fmt: skip
    assert trace.parameters() == 16 and trace.macs() == 2 * 3 * 16


def test_in_place_operators_keep_what_was_before() -> None:
    def compute(m: Any, x: Tensor) -> Tensor:
        y = m.fc(x)
        y.mul_(-1).add_(x).relu_()
        return y

    module = Calls(compute, fc=nn.Linear(4, 4))
    x = torch.randn(1, 3, 4)
    before = x.clone()
    trace = trace_module(module, x)
    assert torch.equal(x, before)
    stats = [layer.output_stats for layer in trace.layers]
    assert stats[0] and stats[-1] and stats[0].minimum < 0 <= stats[-1].minimum
    with torch.no_grad():
        assert stats[-1].maximum == pytest.approx(float(module(x.clone()).max()))


SAME: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "small": (Small, (1, 3, 8, 8)),
    "conv1d": (lambda: nn.Conv1d(3, 4, 3, padding="same", dilation=2), (1, 3, 9)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), (1, 3, 5, 5)),
    "group norm": (lambda: nn.GroupNorm(2, 4), (1, 4, 3, 3)),
    "encoder": (lambda: nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), (1, 9, 16)),
    "lstm": (lambda: nn.LSTM(6, 5, 2, bidirectional=True), (9, 1, 6)),
    "gru": (lambda: nn.GRU(6, 5), (9, 6)),
    "index": (lambda: Calls(lambda m, x: x[:, 1:, ::2].relu() + x[0, 2, None, :2]), (1, 5, 4)),
    "list": (lambda: Calls(lambda m, x: x[..., [3, 0, 0]].relu()), (1, 5, 4)),
    "split": (lambda: Calls(lambda m, x: torch.cat(x.chunk(3, 1)[::-1], 1).tanh()), (1, 6, 4)),
    "stack": (lambda: Calls(lambda m, x: torch.stack(x.unbind(1), 2).exp()), (1, 6, 4)),
    "max": (lambda: Calls(lambda m, x: x.max(1).values.sigmoid()), (1, 6, 4)),
    "glu": (lambda: nn.Sequential(nn.Linear(4, 8), nn.GLU()), (1, 6, 4)),
    "log softmax": (lambda: nn.LogSoftmax(-1), (1, 6, 4)),
    "scalars": (lambda: Calls(lambda m, x: 2 - (1 / (x.abs() + 1)) ** 2), (1, 6, 4)),
    "pad": (lambda: Calls(lambda m, x: F.interpolate(F.pad(x, (1, 1)), scale_factor=2)),
            (1, 2, 4, 4)),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_the_graph_computes_what_the_module_does(case: str) -> None:
    build, shape = SAME[case]
    module, x = build().eval(), torch.randn(shape)
    captured = capture(module, arguments(module, x, case))
    found: dict[str, Any] = {}
    run(captured, lambda node, result: found.update({node.name: result}))
    with torch.no_grad():
        expected = torch.utils._pytree.tree_leaves(module(x.clone()))
    for node, value in zip(captured.outputs, expected, strict=True):
        torch.testing.assert_close(found[node.name], value)
    trace = trace_module(module, x)
    assert all(layer.output_stats is not None for layer in trace.layers)
    last = trace.layers[-1].output_stats
    if len(expected) == 1:
        assert last and last.maximum == pytest.approx(float(expected[0].max()), rel=1e-5)
    if not isinstance(module, Calls):
        assert trace.parameters(biases=True) == learnt(module)


def strange(m: Any, x: Tensor) -> Tensor:
    return torch.fft.fft(torch.special.i0(m.fc(x))).real.roll(1, 1).relu()


def test_unknown_operators_are_listed_at_once() -> None:
    module = Calls(strange, fc=nn.Linear(4, 4))
    with pytest.raises(InputError, match=r"_fft_r2c .*i0 .*"):
        trace_module(module, torch.randn(1, 3, 4))
    trace = trace_module(module, torch.randn(1, 3, 4), allow_unknown=True)
    found = [layer.operator for layer in trace.layers if isinstance(layer, Unknown)]
    assert found[:2] == ["i0", "_fft_r2c"]
    assert ops(trace)[0] == "linear" and ops(trace)[-1] == "activation"


def test_values_that_are_not_finite_name_their_layer() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with torch.no_grad():
        module[0].bias[2] = float("nan")
    with pytest.raises(InputError, match=r"'linear0'.*NaN or infinite"):
        trace_module(module, torch.randn(1, 3, 4))


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_results_that_do_not_depend_on_the_inputs() -> None:
    module = Calls(lambda m, x: m.fc(torch.ones(1, 4)), fc=nn.Linear(4, 4))
    with pytest.raises(InputError, match="does not depend"):
        trace_module(module, torch.randn(1, 4))


class Halves(nn.Module):
    """The first half of the tokens has a layer of its own, whose result is written in place."""

    def __init__(self) -> None:
        super().__init__()
        self.base, self.own = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        y = self.base(x)
        y[:, :4] = self.own(x[:, :4])
        return y


def buffered(m: Any, x: Tensor) -> Tensor:
    y = torch.empty(1, 16, 8)
    y[...] = m.a(x)
    return m.b(y) + x


def gained(m: Any, x: Tensor) -> Tensor:
    return m.a(x) * m.b(x).mean().item()


def decided(m: Any, x: Tensor) -> Tensor:
    """The way depends on the data, which torch.export cannot follow."""
    return m.b(x) if m.a(x).sum() > -1e9 else x


def scattered(m: Any, x: Tensor) -> Tensor:
    chosen = (x[0, :, 0] > 0).nonzero()[:, 0]
    y = m.b(x)
    if len(chosen) < 17:
        y[0].index_add_(0, chosen, m.a(x[0])[chosen])
    return y


@pytest.mark.parametrize("compute", [buffered, gained, decided, scattered])
def test_no_layer_is_lost_on_a_side_way(compute: Any) -> None:
    module = Calls(compute, a=nn.Linear(8, 8), b=nn.Linear(8, 8)).eval()
    trace = trace_module(module, torch.randn(1, 16, 8))
    assert trace.macs() == 2 * 16 * 64
    assert trace.parameters(biases=True) == learnt(module)


def test_an_indexed_assignment_is_seen() -> None:
    trace = trace_module(Halves().eval(), torch.randn(1, 16, 8))
    assert trace.macs() == 16 * 64 + 4 * 64 and trace.parameters() == 128


def test_a_layer_whose_values_leave_torch_is_named() -> None:
    module = Calls(
        lambda m, x: m.a(x) * float(m.b(x).detach().numpy().mean()), a=nn.Linear(8, 8),
        b=nn.Linear(8, 8),
    ).eval()  # fmt: skip
    with pytest.raises(InputError, match=r"lack parameters .*'b' \(weight: 0 of 64 values\)"):
        trace_module(module, torch.randn(1, 16, 8))


def test_an_unknown_operator_with_weights_is_never_let_through() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.randn(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return torch.cdist(x, self.table)

    for allowed in (False, True):
        with pytest.raises(InputError, match="read weights, which an unknown layer would lose"):
            trace_module(Odd(), torch.randn(1, 16, 8), allow_unknown=allowed)


def test_a_batch_is_not_one_inference() -> None:
    with pytest.raises(InputError, match="batch of 2"):
        trace_module(Small().eval(), torch.randn(2, 3, 8, 8))


def test_inputs_by_keyword_and_a_quantiser() -> None:
    module = nn.Linear(4, 4).half()
    trace = archsim.trace_module(
        module.float(), {"input": torch.randn(1, 3, 4)}, quantiser=Quantiser(4, 6)
    )
    layer = trace.layers[0]
    assert isinstance(layer, Linear) and layer.weight_stats and layer.input_stats
    assert (layer.weight_stats.bits, layer.input_stats.bits) == (4, 6)
    assert (trace.precision.weight, trace.precision.input) == (4, 6)


def test_half_precision_is_recorded_as_real_values() -> None:
    trace = trace_module(nn.Linear(4, 4).bfloat16(), torch.randn(1, 3, 4).bfloat16())
    assert trace.layers[0].output_stats is not None


def test_hooks_are_gone_afterwards() -> None:
    module = nn.Linear(4, 4)
    hooks = len(nn.modules.module._global_forward_hooks)
    with pytest.raises(RuntimeError):
        trace_module(module, torch.randn(1, 3, 5))
    trace_module(module, torch.randn(1, 3, 4))
    assert len(nn.modules.module._global_forward_hooks) == hooks
