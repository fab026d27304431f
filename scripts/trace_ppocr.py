"""Make traces/ppocr_v4_rec.trace.json, ppocr_v4_cls.trace.json and ppocr_v4_det.trace.json.

The PP-OCRv4 text recogniser, the PP-OCR direction classifier and the PP-OCRv4 text detector run on
a sentence that Pillow draws, and their values are counted layer by layer. The models come from the
wheel
rapidocr-onnxruntime 1.4.4 (Apache-2.0), fetched with `pip download` unless --wheel names a copy.
Needs the packages onnx, onnxruntime and pillow.

    python scripts/trace_ppocr.py [--wheel PATH] [--text TEXT] [--out FOLDER]
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
from PIL import Image, ImageDraw, ImageFont
from wheels import download

from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Provenance
from archsim.trace.onnx import import_onnx

PACKAGE = "rapidocr-onnxruntime==1.4.4"
MODELS = "rapidocr_onnxruntime/models"
RECOGNISER = f"{MODELS}/ch_PP-OCRv4_rec_infer.onnx"
DETECTOR = f"{MODELS}/ch_PP-OCRv4_det_infer.onnx"
CLASSIFIER = f"{MODELS}/ch_ppocr_mobile_v2.0_cls_infer.onnx"
COMMAND = "python scripts/trace_ppocr.py"
TEXT = "Compute where data lives"
HEIGHT = 48  # both models' input height
WIDTHS = {"rec": 320, "cls": 192}
PAGE = (64, 160)  # the detector's input, height and width
TEXT_THRESHOLD = 0.3  # PP-OCR's on the detector's probability map
LIMIT = 1_000_000  # bytes per trace
Values = NDArray[np.float32]


def draw(text: str) -> Image.Image:
    """Dark text on light paper in Pillow's bundled font, with a small margin."""
    font = ImageFont.load_default(40)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("RGB", (int(right - left) + 16, int(bottom - top) + 16), (245, 243, 238))
    ImageDraw.Draw(image).text((8 - left, 8 - top), text, font=font, fill=(25, 25, 35))
    return image


def preprocess(image: Image.Image, width: int) -> Values:
    """Input (1, 3, 48, width) as PP-OCR makes it.

    Height 48 at the image's aspect ratio (squeezed if wider than `width`), (x / 255 - 0.5) / 0.5,
    channels BGR, zeros to the right.
    """
    scaled = min(width, round(HEIGHT * image.width / image.height))
    line = image.resize((scaled, HEIGHT), Image.Resampling.BILINEAR)
    result = np.zeros((1, 3, HEIGHT, width), np.float32)
    result[:, :, :, :scaled] = as_input(line)
    return result


def draw_page(text: str) -> Image.Image:
    """The text in two lines on a small page."""
    words = text.split()
    half = (len(words) + 1) // 2
    page = Image.new("RGB", PAGE[::-1], (245, 243, 238))
    ImageDraw.Draw(page).multiline_text(
        (12, 9), "\n".join([" ".join(words[:half]), " ".join(words[half:])]),
        font=ImageFont.load_default(17), fill=(25, 25, 35), spacing=8,
    )  # fmt: skip
    return page


def as_input(image: Image.Image) -> Values:
    """(x / 255 - 0.5) / 0.5, channels BGR: (1, 3, height, width)."""
    pixels = np.asarray(image, np.float32)[:, :, ::-1]
    return np.ascontiguousarray(((pixels / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None])


def check_detector(model: Path, page: Image.Image, values: Values) -> None:
    """Stop unless the detector marks the text of the page and little else.

    Its map shows text boxes that are shrunk on purpose, so that lines stay apart (Liao et al.,
    AAAI 2020): it does not cover all of the ink.
    """
    (found,) = onnxruntime.InferenceSession(str(model)).run(None, {"x": values})
    marked = found[0, 0] > TEXT_THRESHOLD
    ink = np.asarray(page.convert("L")) < 100
    covered, paper = float(marked[ink].mean()), float(marked[~ink].mean())
    print(f"detector: marks {covered:.0%} of the ink and {paper:.0%} of the paper")
    if covered < 0.5 or paper > 0.2:
        raise SystemExit("the detector did not find the text")


def read(session: Any, values: Values) -> tuple[str, float]:
    """The recogniser's text and its mean confidence: greedy CTC, class 0 is the blank."""
    listed = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    characters = ["", *listed, " "]
    (probabilities,) = session.run(None, {"x": values})
    best = probabilities[0].argmax(axis=-1)
    kept = [
        (characters[code], float(probabilities[0, i, code]))
        for i, code in enumerate(best)
        if code and (i == 0 or code != best[i - 1])
    ]
    return "".join(c for c, _ in kept), float(np.mean([p for _, p in kept])) if kept else 0.0


def trace(model: Path, values: Values, name: str, title: str, text: str, out: Path) -> None:
    """Import one model with its values and write its trace."""
    made = import_onnx(model, inputs={"x": values}, name=name).model_copy(
        update={
            "provenance": Provenance(
                model=f"{title}, {model.name} of the PyPI wheel {PACKAGE.replace('==', ' ')}",
                made_by=COMMAND,
                data=f"the sentence '{text}' drawn by Pillow, "
                f"{values.shape[2]} x {values.shape[3]} pixels",
            )
        }
    )
    path = out / f"{name}.trace.json"
    save_trace(made, path)
    if path.stat().st_size >= LIMIT:
        raise SystemExit(f"{path.name} has {path.stat().st_size} bytes, more than {LIMIT}")
    if load_trace(path) != made:
        raise SystemExit(f"{path.name} does not read back as it was written")
    print(
        f"{path.name}: {len(made.layers)} layers, {made.macs():,} MACs, "
        f"{made.parameters():,} weights, {path.stat().st_size:,} bytes"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help=f"wheel of {PACKAGE}, else pip downloads it")
    parser.add_argument("--text", default=TEXT)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parent.parent / "traces"
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(exist_ok=True)
    image = draw(arguments.text)
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.wheel or download(PACKAGE, Path(folder))
        with zipfile.ZipFile(wheel) as package:
            recogniser = Path(package.extract(RECOGNISER, folder))
            classifier = Path(package.extract(CLASSIFIER, folder))
            detector = Path(package.extract(DETECTOR, folder))
        line = preprocess(image, WIDTHS["rec"])
        found, confidence = read(onnxruntime.InferenceSession(str(recogniser)), line)
        print(f"recogniser read '{found}' (mean confidence {confidence:.3f})")
        crop = preprocess(image, WIDTHS["cls"])
        (turned,) = onnxruntime.InferenceSession(str(classifier)).run(None, {"x": crop})
        print(f"classifier: upright {turned[0, 0]:.4f}, upside down {turned[0, 1]:.4f}")
        if found != arguments.text:
            raise SystemExit(f"the recogniser did not read '{arguments.text}'")
        trace(recogniser, line, "ppocr_v4_rec", "PP-OCRv4 recogniser", found, arguments.out)
        trace(classifier, crop, "ppocr_v4_cls", "PP-OCR direction classifier", found, arguments.out)
        page = draw_page(arguments.text)
        values = as_input(page)
        check_detector(detector, page, values)
        trace(detector, values, "ppocr_v4_det", "PP-OCRv4 text detector", found, arguments.out)


if __name__ == "__main__":
    main()
