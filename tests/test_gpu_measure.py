"""Measuring a GPU: what can be checked without one."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_cli_support import ROOT, Shell, shell
from test_gpu import BERT, decoder, round_gpu

from archsim.errors import InputError
from archsim.gpu import measure as measuring
from archsim.gpu.cases import Case, cases
from archsim.gpu.energy import EnergyMeter, mean_power
from archsim.gpu.inference import inference
from archsim.gpu.load import load_gpu
from archsim.gpu.measurement import (
    MeasuredKernel,
    Measurement,
    compare,
    file_name,
    load_measurement,
    save_measurement,
)
from archsim.trace.load import load_trace
from archsim.trace.model import Trace

__all__ = ["shell"]
SHIPPED = [BERT, ROOT / "workloads" / "resnet18.yaml", ROOT / "traces" / "ppocr_v4_rec.trace.json"]


def measured(trace: Trace, times: dict[tuple[str, str], float] | None = None) -> Measurement:
    """A measurement of every kernel that has the model's own times, or those given."""
    gpu = load_gpu("h200")
    result = inference(gpu, trace, fuse=False)
    kernels = [
        MeasuredKernel(
            layer=k.layer,
            op=next(layer.op for layer in trace.layers if layer.name == k.layer),
            phase=k.phase,
            seconds=(times or {}).get((k.layer, k.phase), k.seconds / k.launches),
            joules=k.joules / k.launches,
            launches=k.launches,
        )
        for k in result.kernels
    ]
    return Measurement(
        archsim_gpu_measurement=1, device="NVIDIA H200", driver="1", torch="2", cuda="13",
        archsim="0", trace=trace.name, trace_sha256="0" * 64, batch=1, precision="bf16",
        launched_by="CUDA graph", energy_from="counter", idle_w=75.0, kernels=kernels,
    )  # fmt: skip


def test_cases_have_the_shapes_of_the_trace() -> None:
    trace = load_trace(BERT)
    found = {case.layer.name: case for case in cases(trace)}
    assert found["block0.scores"].inputs == ((128, 768), (128, 768))
    assert found["block0.scores"].output == (128, 12 * 128)
    assert found["embed.word"].inputs == ((128, 1),)
    assert len(found) == len(inference(load_gpu("a100"), trace, fuse=False).kernels)
    # twelve equal blocks are measured as one
    assert found["block0.up"].signature == found["block11.up"].signature
    assert found["block0.up"].signature != found["block0.down"].signature


def test_cases_of_a_decoder() -> None:
    trace = decoder(100, 51)  # steps attend to 101 ... 151 positions, 126 in the mean
    found = {(case.layer.name, case.phase): case for case in cases(trace)}
    step = found["s", "decode"]
    assert step.inputs == ((1, 1024), (126, 256))
    assert step.output == (1, 8 * 126)
    assert found["p", "decode"].inputs == ((1, 8 * 126),)
    assert found["c", "decode"].inputs == ((1, 8 * 126), (126, 256))
    assert found["head", "decode"].inputs == ((1, 1024),)
    assert found["s", "prefill"].inputs == ((100, 1024), (100, 256))
    assert found["head", "prefill"].output == (1, 32000)
    assert {case.launches for (_, phase), case in found.items() if phase == "decode"} == {51}


def all_cases() -> Iterator[Case]:
    known = set()
    traces = [load_trace(path) for path in SHIPPED] + [decoder(12, 5, 64)]
    for trace in traces:
        for case in cases(trace):
            if case.signature not in known:
                known.add(case.signature)
                yield case


def test_every_kernel_runs_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    from archsim.gpu.torch_kernels import kernel_call, operands

    small = [case for case in all_cases() if math.prod(case.output) < 2_000_000]
    assert len({case.layer.op for case in small}) >= 9
    for case in small:
        with torch.inference_mode():
            tensors = operands(case, torch, "cpu", torch.float32, 2)
            made = kernel_call(case, torch)(*tensors)
        name = (case.layer.name, case.phase)
        assert made.numel() == 2 * math.prod(case.output), name
        if case.layer.op in ("linear", "conv2d", "norm", "activation", "pool"):
            assert tuple(made.shape) == (2, *case.output), name


def test_heads_that_share_keys_are_rows_of_one_product() -> None:
    torch = pytest.importorskip("torch")
    from archsim.gpu.torch_kernels import operands

    found = {(case.layer.name, case.phase): case for case in cases(decoder(5, 3, 64))}
    queries, keys = operands(found["s", "prefill"], torch, "cpu", torch.float32, 3)
    assert tuple(queries.shape) == (3 * 2, 4 * 5, 8)  # 8 heads, 2 sets of keys
    assert tuple(keys.shape) == (3 * 2, 5, 8)


def test_energy_from_the_counter_and_from_samples() -> None:
    clock = iter([0, 5_000, 13_000])
    counter = SimpleNamespace(nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(clock))
    meter = EnergyMeter(counter, None)
    assert meter.source == "counter"
    start = time.perf_counter()
    with meter:
        time.sleep(0.02)
    taken = time.perf_counter() - start
    assert meter.watts is not None
    assert 8 / taken <= meter.watts <= 8 / 0.02
    sampled = EnergyMeter(SimpleNamespace(nvmlDeviceGetPowerUsage=lambda handle: 250_000), None)
    assert sampled.source == "sampled power"
    with sampled:
        time.sleep(0.05)
    assert sampled.watts == pytest.approx(250)
    none = EnergyMeter(None, None)
    with none:
        pass
    assert (none.source, none.watts) == ("none", None)


def test_mean_power() -> None:
    assert mean_power([(0.0, 100.0), (1.0, 200.0), (3.0, 200.0)]) == pytest.approx(550 / 3)
    assert mean_power([(5.0, 42.0)]) == 42
    with pytest.raises(ValueError, match="no power"):
        mean_power([])


def test_operands_outgrow_the_cache() -> None:
    assert measuring.sets_for(10, 40 << 20) == measuring.MOST_SETS
    assert measuring.sets_for(20 << 20, 40 << 20) == 4
    assert measuring.sets_for(1 << 30, 40 << 20) == 2


class FakeCuda:
    """A GPU on which every kernel takes 10 us; its graphs take as long as what they captured."""

    def __init__(self, captures: bool) -> None:
        self.now, self.captures, self.launched = 0.0, captures, 0

    def launch(self, *tensors: Any) -> None:
        self.now += 10e-6
        self.launched += 1

    def module(self) -> Any:
        fake = self

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                self.at = fake.now

            def elapsed_time(self, end: Event) -> float:
                return 1e3 * (end.at - self.at)  # milliseconds

        class CUDAGraph:
            took = 0.0

            def replay(self) -> None:
                fake.now += self.took

        @contextmanager
        def graph(made: CUDAGraph) -> Iterator[None]:
            if not fake.captures:
                raise RuntimeError("operation not permitted when stream is capturing")
            before = fake.now
            yield
            made.took, fake.now = fake.now - before, before

        cuda = SimpleNamespace(
            Event=Event, CUDAGraph=CUDAGraph, graph=graph, synchronize=lambda: None,
            get_device_properties=lambda index: SimpleNamespace(L2_cache_size=40 << 20),
        )  # fmt: skip
        return SimpleNamespace(cuda=cuda)


@pytest.mark.parametrize("captures", [True, False])
def test_time_is_per_launch(monkeypatch: pytest.MonkeyPatch, captures: bool) -> None:
    fake = FakeCuda(captures)
    tensor = SimpleNamespace(numel=lambda: 10 << 20, element_size=lambda: 2)
    monkeypatch.setattr(measuring, "operands", lambda *rest: [tensor])
    monkeypatch.setattr(measuring, "kernel_call", lambda *rest: fake.launch)
    case = next(iter(cases(load_trace(BERT))))
    meter = EnergyMeter(None, None)
    taken, graph = measuring._time(fake.module(), case, None, 1, 0.01, meter)
    assert taken == pytest.approx(10e-6)
    assert graph is captures
    # 4 sets of 20 MB against 40 MB of cache; only a graph saves the launches by hand
    assert fake.launched == (4 * 4 if captures else 4 * (3 + 3 + 250))


def test_equal_kernels_are_measured_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    switch = SimpleNamespace(allow_tf32=False)
    torch = SimpleNamespace(
        __version__="2.0", version=SimpleNamespace(cuda="12.0"), float32=0, float16=1, bfloat16=2,
        backends=SimpleNamespace(cuda=SimpleNamespace(matmul=switch), cudnn=switch),
        cuda=SimpleNamespace(get_device_name=lambda index: "NVIDIA H200", OutOfMemoryError=OSError),
        inference_mode=nothing,
    )  # fmt: skip
    timed: list[str] = []

    def fake(torch: Any, case: Case, *rest: Any) -> tuple[float, bool]:
        timed.append(case.layer.name)
        return 1e-6 * len(timed), True

    monkeypatch.setattr(measuring, "_time", fake)
    monkeypatch.setattr(measuring, "_idle_power", lambda *rest: None)
    device = measuring.Device(torch, None, None)
    trace = load_trace(BERT)
    found = measuring.measure(device, trace, "0" * 64, precision="tf32")
    assert switch.allow_tf32
    kernels = {kernel.layer: kernel for kernel in found.kernels}
    assert len(kernels) == len(cases(trace)) > len(timed)
    assert kernels["block7.up"].measured_as == "block0.up"
    assert kernels["block7.up"].seconds == kernels["block0.up"].seconds
    assert (found.launched_by, found.energy_from) == ("CUDA graph", "none")
    path = tmp_path / file_name(found)
    assert path.name == "nvidia_h200-bert_base-tf32-b1.json"
    save_measurement(found, path)
    assert load_measurement(path) == found
    with pytest.raises(InputError, match="int8 cannot be measured"):
        measuring.measure(device, trace, "", precision="int8")


def test_model_beside_measurement() -> None:
    trace = decoder(20, 11)
    exact = measured(trace)
    kernels = exact.kernels
    kernels = [k.model_copy(update={"keys": 26}) if k.phase == "decode" else k for k in kernels]
    beside = compare(exact.model_copy(update={"kernels": kernels}), load_gpu("h200"), trace)
    assert len(beside) == len(exact.kernels)
    for row in beside:  # keys and values are linear in the keys, so the mean step is their mean
        assert row.time_error == pytest.approx(0, abs=1e-9)
        assert row.energy_error == pytest.approx(0, abs=1e-9)
    slower = {("head", "decode"): 2 * next(r.modelled_s for r in beside if r.layer == "head")}
    halved = compare(measured(trace, slower), load_gpu("h200"), trace)
    head = next(row for row in halved if (row.layer, row.phase) == ("head", "decode"))
    assert head.time_error == pytest.approx(-0.5, abs=1e-3)
    other = decoder(20, 11).model_copy(update={"layers": trace.layers[:3]})
    with pytest.raises(InputError, match="that was measured, 't'"):
        compare(exact, round_gpu(), other)


def test_commands(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    save_measurement(measured(load_trace(BERT)), path)
    status, out, err = shell("gpu", "compare", path, BERT)
    assert (status, err) == (0, "")
    assert "NVIDIA H200 and the model of H200-141GB SXM" in out
    assert "another version of the trace" in " ".join(out.split())  # its digest is all zeros
    data = json.loads(shell("gpu", "compare", path, BERT, "--gpu", "a100", "--json").out)
    total = data["totals"][-1]
    assert total["op"] == "all"
    assert total["time_error"] > 0  # an A100 is slower
    assert total["measured_s"] == pytest.approx(sum(r["measured_s"] for r in data["kernels"]))

    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    status, out, err = shell("gpu", "measure", "--trace", BERT)
    assert (status, out) == (2, "")
    assert err == (
        "error: no GPU was measured: PyTorch is not installed. Install 'torch' and "
        "'nvidia-ml-py' on a machine with an NVIDIA GPU.\n"
    )
    nowhere = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False))
    monkeypatch.setitem(sys.modules, "torch", nowhere)
    status, _, err = shell("gpu", "measure", "--trace", BERT)
    assert status == 2
    assert err.count("\n") == 1
    assert "PyTorch finds none here" in err
