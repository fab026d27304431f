"""The format version at the top of every document."""

from __future__ import annotations

from archsim.documents.node import Document
from archsim.errors import InputError


def check_version(document: Document, what: str, key: str, newest: int) -> None:
    """InputError unless the document gives, under `key`, a version that this archsim reads.

    what: the document in a word ("trace"). Whatever else is wrong with the value is left to
    validation.
    """
    data, article = document.data, "an" if what[0] in "aeiou" else "a"
    if not isinstance(data, dict) or key not in data:
        raise InputError(
            f"this is not {article} {what}: it has no key '{key}'.",
            document.location(()),
            f"Give its format version at the top: `{key}: {newest}`.",
        )
    version = data[key]
    if isinstance(version, bool):  # equal to 1 in Python
        raise InputError(
            f"{key} is a version number.", document.location((key,)), f"Write `{key}: {newest}`."
        )
    if isinstance(version, int) and version > newest:
        raise InputError(
            f"this {what} has format version {version} and was made by a newer archsim; "
            f"this one reads up to version {newest}.",
            document.location((key,)),
            "Upgrade archsim.",
        )
