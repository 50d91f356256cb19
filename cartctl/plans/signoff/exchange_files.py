"""Files in which requests, approvals and attestations travel between machines. Read as untrusted input."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cartctl.errors import UsageError
from cartctl.inputs import MEBIBYTE, InvalidInput, parse_json, read_text
from cartctl.signoff.records import VERSION, Recorded, SignoffRequest, from_json, to_json


def read_request(path: Path) -> SignoffRequest:
    """The request of a file. Raises InvalidInput."""
    document = _read(path, SignoffRequest.kind)
    with _naming(path):
        return from_json(SignoffRequest, document)


def read_records(path: Path) -> Recorded:
    """The approvals and attestations of a file. Raises InvalidInput."""
    document = _read(path, Recorded.kind)
    with _naming(path):
        records = from_json(Recorded, document)
        if not records.all:
            raise InvalidInput("it has no records")
        return records


def _read(path: Path, kind: str) -> dict[str, Any]:
    text = read_text(path, limit=MEBIBYTE)
    with _naming(path):
        document = parse_json(text, unique=True)
        actual_kind = document.get("kind") if isinstance(document, dict) else None
        if actual_kind != kind:
            raise InvalidInput(f"it is not a {kind.replace('_', ' ')}")
        if document.get("version") != VERSION:
            raise InvalidInput(
                f"its version is not {VERSION}", hint="Use the version of cartctl that wrote it."
            )
    return dict(document)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Add the file's name to what is wrong in it."""
    try:
        yield
    except InvalidInput as wrong:
        raise InvalidInput(wrong.reason, path=path, hint=wrong.hint) from wrong


@contextmanager
def writing_request(path: Path) -> Iterator[list[SignoffRequest]]:
    """Write the request that the block appends, at the block's end and all at once; nothing if the block fails.

    Raises UsageError before the block where the file cannot be written.
    """
    requests: list[SignoffRequest] = []
    with _replacing(path) as part:
        yield requests
        for request in requests:
            _dump({"kind": request.kind, "version": VERSION, **to_json(request)}, part)


def write_records(records: Recorded, path: Path) -> None:
    """Write approvals and attestations for another machine. Raises UsageError where the file cannot be written."""
    with _replacing(path) as part:
        _dump({"kind": records.kind, "version": VERSION, **to_json(records)}, part)


def _dump(document: dict[str, Any], part: Path) -> None:
    part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` that replaces it at the block's end; it follows the umask, as the user's own files do."""
    if path.is_dir():
        raise UsageError(f"Cannot write {path}: it is a directory.", hint="Use the name of a file.")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.touch()
    except OSError as error:
        raise UsageError(
            f"Cannot write {path}: {error.strerror}.", hint="Use a file in an existing directory."
        ) from error
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
