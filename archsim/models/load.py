"""Finding a model's configuration: built in by name, or a file of the user's."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from archsim.documents import Document, check_version, load_document, validate
from archsim.errors import InputError, nearest
from archsim.models.config import MODEL_VERSION, ModelConfig
from archsim.models.decoder import DecoderConfig
from archsim.models.encoder import EncoderConfig
from archsim.models.gru4rec import Gru4RecConfig
from archsim.models.hf_config import read_hf_config
from archsim.models.mobilebert import MobileBertConfig
from archsim.models.mobilenet import MobileNetConfig
from archsim.models.resnet import ResNetConfig
from archsim.models.t5 import T5Config
from archsim.models.vgg import VggConfig

FOLDER = Path(__file__).parent / "configs"
FAMILIES: dict[str, type[ModelConfig]] = {
    "decoder": DecoderConfig,
    "encoder": EncoderConfig,
    "t5": T5Config,
    "mobilebert": MobileBertConfig,
    "resnet": ResNetConfig,
    "vgg": VggConfig,
    "mobilenet": MobileNetConfig,
    "gru4rec": Gru4RecConfig,
}
ENDINGS = (".yaml", ".yml", ".json")


@cache
def built_in() -> list[str]:
    """Names of the built-in configurations."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_config(model: str | Path) -> ModelConfig:
    """The configuration of a built-in model, of a file, or of a folder that holds config.json.

    A file is archsim's own (`archsim_model: 1`) or a config.json of Hugging Face, whose
    `model_type` decides the family. Raises InputError for an unknown name, a file that can't be
    read, an unknown family and sizes that do not validate.
    """
    if str(model) in built_in():
        return _own(load_document(FOLDER / f"{model}.yaml"))
    path = Path(model)
    if path.is_dir():
        path = path / "config.json"
    elif path.suffix.lower() not in ENDINGS:
        hint = nearest(str(model), built_in())
        known = f" Built in: {', '.join(built_in())}." if hint.startswith("Did") else ""
        raise InputError(
            f"'{model}' is neither a built-in model nor a .yaml or .json file.",
            fix=f"{hint}{known}",
        )
    document = load_document(path)
    if isinstance(document.data, dict) and "model_type" in document.data:
        return read_hf_config(document)
    return _own(document)


def _own(document: Document) -> ModelConfig:
    check_version(document, "model configuration", "archsim_model", MODEL_VERSION)
    family = document.data.get("family")
    if not isinstance(family, str) or family not in FAMILIES:
        raise InputError(
            f"the family {family!r} is not known." if family else "the family is missing.",
            document.location(("family",)),
            nearest(str(family), FAMILIES),
        )
    return validate(FAMILIES[family], document)
