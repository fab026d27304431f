"""Measuring the kernels of a trace on a real GPU with PyTorch and NVML.

Every kernel runs on several sets of operands in turn, more of them together than the last-level
cache holds, so that weights come from memory as in a model. The sets are launched as one CUDA
graph, so that the host's overhead is not timed, and timed with CUDA events.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import archsim
from archsim.errors import InputError
from archsim.gpu.cases import Case, cases
from archsim.gpu.energy import EnergyMeter
from archsim.gpu.measurement import MEASUREMENT_VERSION, MeasuredKernel, Measurement
from archsim.gpu.torch_kernels import kernel_call, operands
from archsim.trace.model import Trace

PRECISIONS = ("fp32", "tf32", "fp16", "bf16")
"""Precisions in which PyTorch has every operator."""
MOST_SETS = 32


@dataclass(frozen=True)
class Device:
    """A GPU that can be measured. nvml and handle are None where NVML cannot be used."""

    torch: Any
    nvml: Any
    handle: Any

    @property
    def name(self) -> str:
        return str(self.torch.cuda.get_device_name(0))

    @property
    def driver(self) -> str:
        if self.nvml is None:
            return "unknown"
        version = self.nvml.nvmlSystemGetDriverVersion()
        return version.decode() if isinstance(version, bytes) else str(version)


def find_device() -> Device:
    """The first CUDA GPU; InputError, in a line, where there is none or no PyTorch."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        raise InputError(
            "no GPU was measured: PyTorch is not installed.",
            None,
            "Install 'torch' and 'nvidia-ml-py' on a machine with an NVIDIA GPU.",
        ) from None
    if not torch.cuda.is_available():
        raise InputError(
            "no GPU was measured: PyTorch finds none here.",
            None,
            "Run this on a machine with an NVIDIA GPU and its driver.",
        )
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        return Device(torch, nvml, nvml.nvmlDeviceGetHandleByUUID(uuid))
    except Exception:  # no package, no permission, no driver library: times without energy
        return Device(torch, None, None)


def measure(
    device: Device,
    trace: Trace,
    trace_sha256: str,
    *,
    batch: int = 1,
    precision: str = "bf16",
    seconds: float = 1.0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Measurement:
    """Time and energy of every kernel of a trace.

    seconds: how long each kernel runs for its energy; times are of the same launches. Kernels of
    equal shapes are measured once. progress(layer, done, total) is called before each. Raises
    InputError for a precision that PyTorch has not and for kernels larger than the GPU's memory.
    """
    if precision not in PRECISIONS:
        raise InputError(
            f"{precision} cannot be measured.", None, f"Choose one of {', '.join(PRECISIONS)}."
        )
    torch = device.torch
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)
    meter = EnergyMeter(device.nvml, device.handle)
    idle = _idle_power(torch, meter, seconds)
    wanted = cases(trace)
    known: dict[str, MeasuredKernel] = {}
    kernels, graphs = [], True
    for number, case in enumerate(wanted):
        if progress is not None:
            progress(case.layer.name, number, len(wanted))
        first = known.get(case.signature)
        if first is None:
            with torch.inference_mode():
                try:
                    taken, graph = _time(torch, case, dtype, batch, seconds, meter)
                except torch.cuda.OutOfMemoryError:
                    raise InputError(
                        f"layer '{case.layer.name}' does not fit the memory of {device.name}.",
                        None,
                        "Use a smaller batch.",
                    ) from None
            graphs = graphs and graph
            first = MeasuredKernel(
                layer=case.layer.name,
                op=case.layer.op,
                phase=case.phase,
                keys=case.keys,
                seconds=taken,
                joules=None if meter.watts is None else meter.watts * taken,
                launches=case.launches,
            )
            known[case.signature] = first
            kernels.append(first)
        else:
            same = {"layer": case.layer.name, "measured_as": first.layer}
            kernels.append(first.model_copy(update=same))
    return Measurement(
        archsim_gpu_measurement=MEASUREMENT_VERSION,
        device=device.name,
        driver=device.driver,
        torch=str(torch.__version__),
        cuda=str(torch.version.cuda),
        archsim=archsim.__version__,
        trace=trace.name,
        trace_sha256=trace_sha256,
        batch=batch,
        precision=precision,
        launched_by="CUDA graph" if graphs else "eager",
        energy_from=meter.source,
        idle_w=idle,
        kernels=kernels,
    )


def _idle_power(torch: Any, meter: EnergyMeter, seconds: float) -> float | None:
    """Watts with a CUDA context and nothing to do."""
    torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    with meter:
        time.sleep(max(seconds, 0.1))
    return meter.watts


def _time(
    torch: Any, case: Case, dtype: Any, batch: int, seconds: float, meter: EnergyMeter
) -> tuple[float, bool]:
    """Seconds of one launch, and whether a CUDA graph launched it. The meter has its power."""
    call = kernel_call(case, torch)
    sets = [operands(case, torch, "cuda", dtype, batch)]
    cache = int(getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 64 << 20))
    for _ in range(sets_for(sum(t.numel() * t.element_size() for t in sets[0]), cache) - 1):
        sets.append(operands(case, torch, "cuda", dtype, batch))

    def run() -> None:
        for tensors in sets:
            call(*tensors)

    for _ in range(3):  # warm-up: libraries choose their kernels, clocks rise
        run()
    torch.cuda.synchronize()
    replay, graph = _captured(torch, run)
    once = _elapsed(torch, replay, 3) / 3
    repeats = max(3, round(seconds / max(once, 1e-6)))
    with meter:
        total = _elapsed(torch, replay, repeats)
    return total / repeats / len(sets), graph


def sets_for(size: int, cache: int) -> int:
    """Sets of operands of `size` bytes that do not fit a cache of `cache` bytes together."""
    return min(MOST_SETS, max(2, -(-2 * cache // max(size, 1))))


def _captured(torch: Any, run: Callable[[], None]) -> tuple[Callable[[], None], bool]:
    """The same launches as one CUDA graph; as they are where they cannot be captured."""
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            run()
    except RuntimeError:
        torch.cuda.synchronize()
        return run, False
    return graph.replay, True


def _elapsed(torch: Any, run: Callable[[], None], repeats: int) -> float:
    """Seconds of `repeats` runs between two events on the GPU."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(repeats):
        run()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1e3
