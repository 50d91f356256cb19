"""The manifest of saved rows is untrusted: it may be a copy from anywhere."""

import json
import os
from pathlib import Path

import pytest

from cartctl.database.drop.saved_rows import SavedRows, read_saved
from cartctl.errors import Refused

GOOD = {
    "at": "2026-01-01T00:00:00+00:00",
    "rows": {"carts": 3},
    "files": {"toc.dat": "00"},
    "tool": "pg_dump 16",
}


def test_a_manifest_is_read(tmp_path: Path) -> None:
    """And where there is none, nothing was saved."""
    assert read_saved(tmp_path) is None
    (tmp_path / "manifest.json").write_text(json.dumps(GOOD))
    assert read_saved(tmp_path) == SavedRows(**GOOD)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    (
        "",
        "null",
        "[" * 50_000,
        json.dumps({**GOOD, "more": 1}),
        json.dumps({**GOOD, "rows": {"carts": -1}}),
        json.dumps({**GOOD, "rows": {"carts": True}}),
        json.dumps({**GOOD, "rows": [1]}),
        json.dumps({**GOOD, "files": {"../../x": "00"}}),
        json.dumps({**GOOD, "files": {"a\0b": "00"}}),
        json.dumps({**GOOD, "files": {"toc.dat": 7}}),
        json.dumps({**GOOD, "tool": "x" * (5 * 1024 * 1024)}),
    ),
)
def test_a_malformed_manifest_is_refused_by_its_directory(tmp_path: Path, text: str) -> None:
    """One sentence and the refusal's exit code, whatever its shape."""
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(Refused, match="saved rows"):
        read_saved(tmp_path)


def test_a_pipe_in_its_place_is_refused_at_once(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes to would wait for ever."""
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(Refused, match="a pipe"):
        read_saved(tmp_path)
