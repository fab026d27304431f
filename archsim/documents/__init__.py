"""Input documents: YAML or JSON read as plain data that remembers where each key stands."""

from archsim.documents.loading import load_document
from archsim.documents.node import Document, KeyPath
from archsim.documents.validation import validate

__all__ = ["Document", "KeyPath", "load_document", "validate"]
