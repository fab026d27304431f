"""Checking a document against a pydantic model, with errors that name file, line and key."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from archsim.documents.messages import Message, describe
from archsim.documents.node import Document
from archsim.documents.places import Place, Walker
from archsim.errors import InputError

MAX_ERRORS = 5
"""Most faults that one InputError names."""

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: Document) -> M:
    """The document's data as an instance of `model`.

    Raises one InputError that names up to MAX_ERRORS faults, each with its file, line and
    key path; its `where` is that of the first.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as fault:
        raise _input_error(model, document, fault) from None


def _input_error(model: type[BaseModel], document: Document, fault: ValidationError) -> InputError:
    walker = Walker(model.__pydantic_core_schema__)
    errors = fault.errors(include_url=False)
    places = [walker.place(error["loc"], document.data) for error in errors]
    messages = [
        describe(error, place, walker)
        for error, place in zip(errors, places, strict=True)
        if not _outdone(place, places)
    ]
    messages = _joined(messages)
    faults = [
        InputError(message.what, document.location(message.key_path), message.fix)
        for message in messages[:MAX_ERRORS]
    ]
    first = faults[0]
    if len(messages) == 1:
        return first
    lines = [first.what if first.fix is None else f"{first.what} {first.fix}"]
    lines.extend(str(other) for other in faults[1:])
    if len(messages) > MAX_ERRORS:
        lines.append(f"There are {len(messages) - MAX_ERRORS} more errors.")
    return InputError("\n".join(lines), first.where)


def _outdone(place: Place, places: list[Place]) -> bool:
    """Whether another branch of the same union got further, so that it is the one meant."""
    depth = len(place.key_path)
    return depth in place.unions and any(
        depth in other.unions
        and len(other.key_path) > depth
        and other.key_path[:depth] == place.key_path
        for other in places
    )


def _joined(messages: list[Message]) -> list[Message]:
    """The messages with those about one key, from branches of a union, made into one."""
    by_path: dict[tuple[str | int, ...], Message] = {}
    for message in messages:
        earlier = by_path.get(message.key_path)
        if earlier is None:
            by_path[message.key_path] = message
        elif message.what not in earlier.what:
            what = f"{earlier.what.rstrip('.')}; or {message.what}"
            by_path[message.key_path] = Message(message.key_path, what, earlier.fix or message.fix)
    return list(by_path.values())
