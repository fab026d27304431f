"""From a folder with a Hugging Face model to a trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from archsim.errors import InputError
from archsim.models.decoder import DecoderConfig
from archsim.trace.hf import bert, llama
from archsim.trace.hf.bert import Head, load_encoder
from archsim.trace.hf.checkpoint import Checkpoint, Tokens
from archsim.trace.hf.config import read_config
from archsim.trace.hf.llama import load_decoder
from archsim.trace.hf.recording import Statistics, record
from archsim.trace.hf.weights import PICKLES, Weights, refuse_pickle
from archsim.trace.model import Provenance, Trace
from archsim.trace.quantiser import Quantiser

ENCODERS = ["bert", "roberta", "distilbert"]
DECODERS = ["llama", "mistral", "qwen2"]


def has_forward(folder: str | Path) -> bool:
    """True for a folder whose `model_type` has a forward pass here; broken ones count as such."""
    try:
        keys = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        return not isinstance(keys, dict) or keys.get("model_type") in [*ENCODERS, *DECODERS]
    except (OSError, ValueError):
        return True  # load_model says what is wrong


def load_model(folder: str | Path, head: Head = "mean") -> Checkpoint:
    """A model in the layout of Hugging Face: config.json and safetensors, one file or shards.

    head: how an encoder ends, with the mean over the tokens or with BERT's pooler; a decoder ends
    with its language-model head. The weights stay on disk. Needs the package `safetensors`.

    Raises InputError for files that are missing or broken, weights in a pickle, a `model_type`
    that is not known, and tensors that are missing or of a wrong shape.
    """
    folder = Path(folder)
    if folder.suffix in PICKLES and folder.is_file():
        raise refuse_pickle(folder)
    keys = read_config(folder, [*ENCODERS, *DECODERS])
    model: Checkpoint
    if keys.data["model_type"] in ENCODERS:
        model = load_encoder(keys, Weights(folder, bert.PREFIXES), head)
    elif head == "pooler":
        raise keys.error("model_type", "a decoder has no pooler.", "Leave the head out.")
    else:
        model = load_decoder(keys, Weights(folder, llama.PREFIXES))
    model.check()
    return model


def export_hf(
    model: Checkpoint,
    passages: Sequence[Tokens],
    *,
    decode: int = 0,
    name: str | None = None,
    data: str = "token ids given to export_hf",
    quantiser: Quantiser | None = None,
    statistics: Statistics = "all",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Trace:
    """The trace of a model with the statistics of `passages` of equal length.

    passages: token ids, shape (T,) each; the last `decode` of each are generated. data: what to
    say of them in the trace's provenance. Raises InputError as `record` does.
    """
    if passages and not len(passages[0]) > decode >= 0:
        raise InputError(
            f"passages of {len(passages[0])} tokens of which {decode} are generated leave no "
            "prompt.",
            fix="Give longer passages or a smaller --decode.",
        )
    if decode and not isinstance(model.sizes, DecoderConfig):
        raise InputError(
            f"{model.sizes.name} is an encoder: it generates nothing.", fix="Leave out --decode."
        )
    label = name or model.sizes.name.rsplit("/", 1)[-1]
    provenance = Provenance(model=model.sizes.name, made_by="archsim trace export hf", data=data)
    return record(
        model,
        passages,
        label,
        provenance,
        decode=decode,
        quantiser=quantiser,
        statistics=statistics,
        progress=progress,
    )
