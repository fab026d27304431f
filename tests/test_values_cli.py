"""archsim run with and without the statistics of a trace."""

from __future__ import annotations

import json

import numpy as np
from test_cli_support import Shell, shell

from archsim.trace.load import load_trace, save_trace
from archsim.trace.quantiser import Quantiser

__all__ = ["shell"]


def test_no_stats_costs_random_codes(shell: Shell) -> None:
    trace = load_trace(shell.workload)
    quantiser = Quantiser(weight_bits=16, input_bits=16)
    zeros = quantiser.activations(np.zeros((36, 3)))
    weights = quantiser.weights(np.random.default_rng(0).normal(size=(27, 8)))
    first = trace.layers[0].model_copy(update={"input_stats": zeros, "weight_stats": weights})
    path = shell.folder / "with.trace.json"
    save_trace(trace.model_copy(update={"layers": [first, *trace.layers[1:]]}), path)
    trained, random, bare = (
        json.loads(shell("run", shell.arch, *rest, "--json").out)
        for rest in ((path,), (path, "--no-stats"), (shell.workload,))
    )
    assert trained["energy_j"] < random["energy_j"] == bare["energy_j"]
    assert trained["energy_random_values_j"] == random["energy_j"]
    assert trained["digest"] == random["digest"] == bare["digest"]
    assert trained["value_factors"]["first"]["factors"]["chip.tile.pe.dac.pulse"] == 0
    assert trained["value_factors"]["first"]["weights"]
    assert not trained["value_factors"]["second"]["inputs"]
    assert (trained["inputs"]["statistics"], random["inputs"]["statistics"]) == (True, False)
    assert "absent" in bare["value_statistics"]
    text = " ".join(shell("run", shell.arch, path).out.split())
    assert "Value statistics used for 2 layers in arrays, except the inputs of second" in text
    assert "Value statistics not used" in shell("run", shell.arch, path, "--no-stats").out


def test_statistics_that_contradict_themselves_are_refused(shell: Shell) -> None:
    trace = load_trace(shell.workload)
    stats = Quantiser().activations(np.ones((3, 3)))
    first = trace.layers[0].model_copy(update={"input_stats": stats})
    path = shell.folder / "bad.trace.json"
    save_trace(trace.model_copy(update={"layers": [first, *trace.layers[1:]]}), path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"scale"', '"zero_point":5,"scale"', 1), encoding="utf-8")
    error = shell.refused("run", shell.arch, path)
    assert "layers[0].input_stats" in error and "affine" in error
