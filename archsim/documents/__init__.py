"""Input documents: YAML or JSON read as plain data that remembers where each key stands."""

from archsim.documents.loading import load_document
from archsim.documents.node import Document, KeyPath
from archsim.documents.validation import validate
from archsim.documents.version import check_version

__all__ = ["Document", "KeyPath", "check_version", "load_document", "validate"]
