"""What loading checks of generated sequences and tied weights, with the place of each fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_cli_support import line_of

from archsim.errors import InputError
from archsim.models.build import build_trace
from archsim.models.config import ModelConfig
from archsim.models.extent import Extent
from archsim.models.load import load_config
from archsim.trace.generation import kv_cache
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Trace
from archsim.trace.yaml_writer import workload_text

SIZES = {"blocks": 2, "width": 16, "feed_forward": 24, "vocabulary": 40, "head_width": 4}


def config(**changes: Any) -> ModelConfig:
    update: dict[str, Any] = {**SIZES, "heads": 4, "kv_heads": 2, **changes}
    return load_config("llama-3.2-1b").model_copy(update=update)


@pytest.fixture
def trace() -> Trace:
    return build_trace(config(), Extent(seq=3, decode=2, sequences=2), "a test")


def refused(folder: Path, text: str) -> tuple[str, str]:
    path = folder / "t.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as fault:
        load_trace(path)
    return str(fault.value), f"{path}:{{}}"


def test_workloads_and_traces_come_back_equal(tmp_path: Path, trace: Trace) -> None:
    (tmp_path / "t.yaml").write_text(workload_text(trace, "a header"))
    save_trace(trace, tmp_path / "t.json")
    assert load_trace(tmp_path / "t.yaml") == trace == load_trace(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("source: lm_head", "source: lm_hea", "'lm_hea' is no layer of the trace"),
        ("source: lm_head", "source: token_ids", "'token_ids' is no layer of the trace"),
        ("target: token_ids", "target: tokens", "'tokens' is no input of the trace"),
        ("prompt: 3", "prompt: 4", "'token_ids' has 10 positions; prompt 4, decode 2 and 2"),
        ("sequences: 2}\n\n", "sequences: 1}\n\n", "'token_ids' has 10 positions"),
        ("source: lm_head", "source: block0.add", "'block0.add' has 10 positions"),
    ],
)
def test_ends_of_a_generation(
    tmp_path: Path, trace: Trace, before: str, after: str, words: str
) -> None:
    text = workload_text(trace, "a header")
    assert before in text
    text = text.replace(before, after)
    error, place = refused(tmp_path, text)
    assert words in error
    assert place.format(line_of(text, "generation:")) in error


@pytest.mark.parametrize("part", ["causal: true, ", ", start: 4"])
def test_a_token_may_not_depend_on_itself(tmp_path: Path, trace: Trace, part: str) -> None:
    text = workload_text(trace, "a header")
    assert part in text
    text = text.replace(part, "")
    error, place = refused(tmp_path, text)
    # score 0 chooses token 3 of sequence 0, which is position 6; it would read all 10
    assert "position 0 of 'lm_head' depends on position 9 of 'token_ids'" in error
    assert place.format(line_of(text, "generation:")) in error


def test_tied_weights(tmp_path: Path, trace: Trace) -> None:
    text = workload_text(trace, "a header")
    for after, words in (
        ("tied_to: embed.wrd", "'embed.wrd', which is no layer of the trace"),
        ("tied_to: block0.query", "has 640 weights and is tied to 'block0.query', which has 256"),
        ("tied_to: lm_head", "tied itself to 'lm_head'"),
    ):
        changed = text.replace("tied_to: embed.word", after)
        error, place = refused(tmp_path, changed)
        assert words in error
        assert place.format(line_of(changed, "tied_to")) in error
    assert (
        "Did you mean 'embed.word'?"
        in refused(tmp_path, text.replace("tied_to: embed.word", "tied_to: embed.wrd"))[0]
    )


def test_an_untied_head_counts(trace: Trace) -> None:
    untied = build_trace(config(tied=False), Extent(seq=3), "a test")
    assert untied.parameters() - trace.parameters() == 40 * 16


def test_kv_cache_needs_causal_attention() -> None:
    assert kv_cache(build_trace(load_config("bert-base"), Extent(seq=4), "a test")) is None
    wide = build_trace(config(kv_heads=4), Extent(seq=4), "a test")
    shared = build_trace(config(kv_heads=1), Extent(seq=4), "a test")
    one, two = kv_cache(wide), kv_cache(shared)
    assert one is not None and two is not None
    assert one.total == 4 * two.total
