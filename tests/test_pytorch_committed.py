"""The committed traces that came from PyTorch modules; reading them takes no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archsim.trace.load import load_trace
from archsim.trace.operators import Conv2d

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("name", "macs", "parameters"),
    [("mobilenet_v2", 300_774_272, 3_504_872), ("g2p_gru", 8_257_536, 402_176)],
)
def test_committed_traces_have_their_published_sizes(name: str, macs: int, parameters: int) -> None:
    path = ROOT / "traces" / f"{name}.trace.json"
    trace = load_trace(path)
    assert trace.macs() == macs and trace.parameters(biases=True) == parameters
    assert path.stat().st_size < 1_000_000
    for layer in trace.layers:
        assert layer.output_stats is not None
        assert (layer.weight_stats is not None) == layer.stationary


def test_committed_mobilenet_has_the_statistics_of_a_trained_model() -> None:
    trace = load_trace(ROOT / "traces" / "mobilenet_v2.trace.json")
    convolutions = [layer for layer in trace.layers if isinstance(layer, Conv2d)]
    assert len(convolutions) == 52 and sum(c.groups > 1 for c in convolutions) == 17
    zeros = [c.input_stats.zero_share for c in convolutions if c.input_stats]
    assert 0.2 < float(np.median(zeros)) < 0.8  # ReLU6 before most of them


def test_committed_voice_encoder_by_formula() -> None:
    trace = load_trace(ROOT / "traces" / "voice_lstm.trace.json")
    frames, hidden = 160, 256
    steps = (40 + hidden) + 2 * (hidden + hidden)
    assert trace.macs() == frames * 4 * hidden * steps + hidden * hidden
    learnt_biases = 3 * 2 * 4 * hidden + hidden
    assert trace.parameters(biases=True) == 4 * hidden * steps + hidden**2 + learnt_biases
