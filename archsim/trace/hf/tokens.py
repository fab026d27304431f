"""Text files and files of token ids as passages of equal length."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError

Tokens = NDArray[np.int64]
COMMENT = "#"


def read_text(path: str | Path) -> str:
    """The text of a file without blank lines and lines that start with '#'.

    Raises InputError for a file that cannot be read, is not UTF-8 or has no text.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"cannot read the text: {error.strerror}.", str(path)) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 text: byte {error.start} is wrong.", str(path), "Save it as UTF-8."
        ) from None
    kept = [line for line in lines if line.strip() and not line.startswith(COMMENT)]
    if not kept:
        raise InputError(
            "holds no lines of text.",
            str(path),
            f"Give one sentence or more; lines that start with '{COMMENT}' are comments.",
        )
    return "\n".join(kept)


class Tokenizer:
    """A model's own tokeniser (tokenizer.json), without its padding and truncation."""

    def __init__(self, folder: str | Path):
        """Needs the package `tokenizers`. Raises InputError for a missing or broken file."""
        path = Path(folder) / "tokenizer.json"
        if not path.exists():
            raise InputError(
                "the model's folder has no tokenizer.json.",
                str(path),
                "Give token ids by --tokens FILE.npy, or save a fast tokeniser there.",
            )
        import tokenizers

        try:
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the package raises plain Exception
            raise InputError(
                f"not a tokeniser: {error}.", str(path), "Fetch the model again."
            ) from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def encode(self, text: str, *, special: bool = True) -> Tokens:
        """Token ids of a text, with the special tokens around it (such as [CLS] and [SEP])."""
        found = self._tokenizer.encode(text, add_special_tokens=special)
        return np.array(found.ids, dtype=np.int64)

    def decode(self, tokens: Tokens) -> str:
        """The text of token ids, special tokens left out."""
        return str(self._tokenizer.decode(tokens.tolist()))

    def passages(self, text: str, length: int) -> list[Tokens]:
        """The text cut into passages of `length` tokens, special tokens included: no padding.

        Lines are joined; a rest that does not fill a passage is left out. Raises ValueError if
        `length` leaves no room between the special tokens.
        """
        bare, framed = self.encode("a", special=False), self.encode("a")
        before = next(
            i for i in range(len(framed)) if np.array_equal(framed[i : i + len(bare)], bare)
        )
        first, last = framed[:before], framed[before + len(bare) :]
        inner = length - len(first) - len(last)
        if inner < 1:
            raise ValueError(f"{length} tokens leave no room between the special ones")
        stream = self.encode(text, special=False)
        return [
            np.concatenate([first, stream[i * inner : (i + 1) * inner], last])
            for i in range(len(stream) // inner)
        ]


def text_passages(folder: str | Path, text: str | Path, length: int) -> list[Tokens]:
    """Passages of a text file by the tokeniser in `folder`; InputError if it fills none."""
    words = read_text(text)
    tokenizer = Tokenizer(folder)
    try:
        found = tokenizer.passages(words, length)
    except ValueError as error:
        raise InputError(f"{error}.", fix="Use a longer sequence (--seq).") from None
    if not found:
        raise InputError(
            f"the text has {len(tokenizer.encode(words))} tokens, a passage {length}.",
            str(text),
            "Give a longer text or a shorter --seq: passages are never padded.",
        )
    return found


def file_passages(path: str | Path, length: int) -> list[Tokens]:
    """Passages from an .npy file of token ids: (passages, length), or one stream to be cut."""
    try:
        ids: Any = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror or error}.", str(path)) from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise InputError(
            "is not an .npy file of plain numbers (one of objects is a pickle, which can run "
            "code when it is loaded).",
            str(path),
            "Save it with np.save(path, array of int64).",
        ) from None
    if not isinstance(ids, np.ndarray) or ids.dtype.kind not in "iu" or ids.ndim not in (1, 2):
        kind = f"{ids.dtype} of shape {list(ids.shape)}" if isinstance(ids, np.ndarray) else ".npz"
        raise InputError(
            f"holds {kind}.", str(path), "Token ids are integers: (passages, length) or (tokens,)."
        )
    if ids.ndim == 2 and ids.shape[1] != length:
        raise InputError(
            f"its passages have {ids.shape[1]} tokens, --seq says {length}.",
            str(path),
            "Use the same length.",
        )
    count = ids.size // length
    if not count:
        raise InputError(
            f"holds {ids.size} tokens, a passage {length}.",
            str(path),
            "Give more tokens or a shorter --seq: passages are never padded.",
        )
    return list(ids.ravel()[: count * length].reshape(count, length).astype(np.int64))
