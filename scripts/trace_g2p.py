"""Make traces/g2p_gru.trace.json: the encoder of a grapheme-to-phoneme GRU on a real word.

The model is g2p_en's (Apache-2.0), trained on CMUdict; its weights are an .npz in the wheel g2p-en
2.1.0, fetched with `pip download` unless --wheel names a copy. The trace is of the encoder: the
decoder starts from its last state, which a trace cannot hold. Needs the package torch.

    python scripts/trace_g2p.py [--wheel PATH] [--out PATH]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from wheels import download

from archsim.errors import InputError
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Provenance
from archsim.trace.pytorch import trace_module

ROOT = Path(__file__).resolve().parent.parent
WHEEL = "g2p-en==2.1.0"
WORD = "internationalisation"
LETTERS = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
START, END = 2, 3  # of the phonemes
CAT = "K AE1 T"  # CMUdict's entry for "cat"
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"


class Encoder(nn.Module):
    """Letters (1, T) to a state per letter."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS), width)
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, letters: Tensor) -> Tensor:
        """States (1, T, width)."""
        return self.gru(self.embedding(letters))[0]


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.wheel or download(WHEEL, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".npz"))
            with np.load(archive.extract(name, folder), allow_pickle=False) as file:
                tensors = {key: torch.from_numpy(file[key]) for key in file.files}
    encoder = Encoder(tensors["enc_emb"].shape[1]).eval()
    _fill(encoder.gru, tensors, "enc")
    encoder.embedding.weight.data = tensors["enc_emb"]
    check_trained(encoder, tensors)
    trace = trace_module(encoder, letters(WORD), name="g2p_gru")
    provenance = Provenance(
        model="g2p_en's encoder, from the PyPI wheel " + WHEEL.replace("==", " "),
        made_by="python scripts/trace_g2p.py",
        data=f"the word '{WORD}'",
    )
    trace = trace.model_copy(update={"provenance": provenance})
    save_trace(trace, arguments.out)
    if load_trace(arguments.out) != trace:
        raise InputError("the saved trace does not read back equal.", str(arguments.out))
    print(f"{arguments.out}: {len(trace.layers)} layers, {trace.macs() / 1e6:.2f} MMACs")


def letters(word: str) -> Tensor:
    """A word's letters and the end mark, (1, T)."""
    return torch.tensor([[LETTERS.index(letter) for letter in [*word, "</s>"]]])


def phonemes() -> list[str]:
    """The phonemes by number: marks, then ARPAbet by the alphabet, vowels with stress 0 to 2."""
    stressed = [f"{vowel}{stress}" for vowel in VOWELS.split() for stress in range(3)]
    return ["<pad>", "<unk>", "<s>", "</s>", *sorted(stressed + CONSONANTS.split())]


def pronounce(encoder: Encoder, tensors: dict[str, Tensor], word: str) -> str:
    """The likeliest phonemes of a word, chosen one after another."""
    width = tensors["dec_emb"].shape[1]
    cell = nn.GRUCell(width, width)
    _fill(cell, tensors, "dec")
    names, found, last = phonemes(), [], START
    with torch.no_grad():
        state = encoder(letters(word))[:, -1]
        while last != END and len(found) < 20:
            state = cell(tensors["dec_emb"][last][None], state)
            last = int((state @ tensors["fc_w"].T + tensors["fc_b"]).argmax())
            found.append(names[last])
    return " ".join(found[:-1])


def check_trained(encoder: Encoder, tensors: dict[str, Tensor]) -> None:
    """Print two pronunciations; InputError unless one is CMUdict's."""
    found = pronounce(encoder, tensors, "cat")
    print(f"cat: {found}; {WORD}: {pronounce(encoder, tensors, WORD)}")
    if found != CAT:
        raise InputError(f"'cat' should be {CAT}: this is not the trained model.", WHEEL)


def _fill(module: nn.Module, tensors: dict[str, Tensor], prefix: str) -> None:
    for name, parameter in module.named_parameters():
        short = name.removeprefix("weight_").removeprefix("bias_").removesuffix("_l0")
        kind = "w" if name.startswith("weight") else "b"
        parameter.data = tensors[f"{prefix}_{kind}_{short}"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="a copy of the wheel, instead of a download")
    parser.add_argument("--out", type=Path, default=ROOT / "traces" / "g2p_gru.trace.json")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
