"""Make traces/voice_lstm.trace.json: the LSTM of Resemblyzer's voice encoder on speech.

The weights (Apache-2.0) are in the wheel Resemblyzer 0.1.4, fetched with `pip download` unless
--wheel names a copy, in a pickle, which is read here as tensors alone (weights_only). The speech is
espeak-ng's. Needs the packages torch and scipy, and the program espeak-ng.

    python scripts/trace_voice.py [--wheel PATH] [--out PATH]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from wheels import download

from archsim.errors import InputError
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Provenance
from archsim.trace.pytorch import trace_module

ROOT = Path(__file__).resolve().parent.parent
WHEEL = "Resemblyzer==0.1.4"
# resemblyzer/hparams.py: samples per second, per window and per step; mel bands; frames at once.
RATE, WINDOW, STEP, BANDS, FRAMES = 16000, 400, 160, 40, 160
TEXTS = [
    "Alice was beginning to get very tired of sitting by her sister on the bank",
    "There was nothing so very remarkable in that nor did Alice think it so very odd",
]
VOICES = ["en-us", "en-us+f5"]


class Encoder(nn.Module):
    """Mel frames (1, T, 40) to a vector of the voice (Wan et al., ICASSP 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, mels: Tensor) -> Tensor:
        """The vector, before it is brought to unit length."""
        return self.linear(self.lstm(mels)[0][:, -1]).relu()


def main() -> None:
    arguments = _arguments()
    encoder = Encoder().eval()
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.wheel or download(WHEEL, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".pt"))
            saved = torch.load(
                archive.extract(name, folder), map_location="cpu", weights_only=True
            )["model_state"]
    encoder.load_state_dict({k: v for k, v in saved.items() if k.startswith(("lstm", "linear"))})
    speech = [[frames(text, voice) for text in TEXTS] for voice in VOICES]
    check_trained(encoder, speech)
    trace = trace_module(encoder, speech[0][0], name="voice_lstm")
    provenance = Provenance(
        model="Resemblyzer's voice encoder, from the PyPI wheel " + WHEEL.replace("==", " "),
        made_by="python scripts/trace_voice.py",
        data=f"1.6 s of espeak-ng ({VOICES[0]}) reading '{TEXTS[0]}'",
    )
    trace = trace.model_copy(update={"provenance": provenance})
    save_trace(trace, arguments.out)
    if load_trace(arguments.out) != trace:
        raise InputError("the saved trace does not read back equal.", str(arguments.out))
    print(f"{arguments.out}: {len(trace.layers)} layers, {trace.macs() / 1e6:.1f} MMACs")


def frames(text: str, voice: str) -> Tensor:
    """The mel spectrogram (power) of a text read aloud, its first 1.6 s, (1, 160, 40)."""
    from scipy.io import wavfile
    from scipy.signal import resample_poly

    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-v", voice, "-w", file.name, text], check=True)
        rate, sound = wavfile.read(file.name)
    samples = resample_poly(sound / 32768, RATE, rate)
    samples = samples * 10 ** (-30 / 20) / np.sqrt(np.mean(samples**2))  # -30 dBFS
    start = RATE // 4
    cut = samples[start : start + WINDOW + (FRAMES - 1) * STEP]
    windows = np.lib.stride_tricks.sliding_window_view(cut, WINDOW)[::STEP]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW + 1)[:-1])) ** 2
    return torch.from_numpy((power @ mel_filters().T).astype(np.float32))[None]


def mel_filters() -> NDArray[np.float64]:
    """Triangles of equal area on Slaney's mel scale (Auditory Toolbox, 1998), (bands, bins).

    The scale is linear up to 1 kHz (15 mels) and logarithmic above (27 mels per factor of 6.4).
    """
    top = 15 + 27 * np.log(RATE / 2 / 1000) / np.log(6.4)
    mels = np.linspace(0, top, BANDS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters: NDArray[np.float64] = np.maximum(0, np.minimum(rise, fall))
    return filters * (2 / (edges[2:] - edges[:-2]))[:, None]


def check_trained(encoder: Encoder, speech: list[list[Tensor]]) -> None:
    """Print similarities; InputError unless texts of one voice are closer than voices."""
    with torch.no_grad():
        vectors = [nn.functional.normalize(encoder(x), dim=1) for row in speech for x in row]
    alike = torch.cat(vectors) @ torch.cat(vectors).T
    same, other = min(alike[0, 1], alike[2, 3]), alike[:2, 2:].max()
    print(f"similarity in a voice at least {float(same):.2f}, of two at most {float(other):.2f}")
    if same <= other:
        raise InputError("voices are not told apart: this is not the trained model.", WHEEL)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="a copy of the wheel, instead of a download")
    parser.add_argument("--out", type=Path, default=ROOT / "traces" / "voice_lstm.trace.json")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
