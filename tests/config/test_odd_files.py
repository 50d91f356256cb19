"""A configuration file of any bytes is read in bounded time: valid, or one sentence of ours."""

import os
import time
from pathlib import Path

import pytest

from cartctl.config.load import load_with_origins
from cartctl.config.values import Secret
from cartctl.errors import ConfigError

SMALL = """
[env.dev.database]
dsn = "host=/nowhere"
[env.dev.cluster]
kind = "kubernetes"
[env.dev.http]
api = "https://api.test"
"""


def loaded(path: Path) -> str:
    """What loading a file gives: "valid", or the sentence."""
    try:
        result = load_with_origins(str(path), "dev")
    except ConfigError as error:
        return error.message
    if result.environment is None:
        return result.problems[0].sentence(result.layers, "dev")
    return "valid"


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    """As an editor on Windows saves it; a problem's line is still the right one."""
    path = tmp_path / "cartctl.toml"
    path.write_bytes(("\ufeff" + SMALL).replace("\n", "\r\n").encode())
    assert loaded(path) == "valid"
    path.write_bytes(("\ufeff" + SMALL + "nonsense = 1\n").replace("\n", "\r\n").encode())
    assert "cartctl.toml:8:" in loaded(path)


@pytest.mark.parametrize(
    ("more", "reason"),
    (
        ("x = " + "[" * 5000 + "]" * 5000, "nested more than"),
        (".".join("a" * 20_000) + " = 1", "more than 100 parts"),
        ("\n".join(f"[{'.'.join(['a'] * 90 + [str(i)])}]" for i in range(500)), "not a known key"),
        ("[env.dev.release.api]\n" + "\n".join(f"'d{i}.c' = 'x'" for i in range(6_000)), "valid"),
        ("\n".join(f"[env.dev.x{i}]" for i in range(6_000)), "not a known key"),
        ("'" + "k" * 900_000 + "' = 1", "not a known key"),
        ("[env.dev.release.api]\n'" + "k" * 900_000 + "' = 1", "must be a string"),
    ),
    ids=("nested", "parts", "deep tables", "many keys", "many tables", "long key", "long value's key"),
)
def test_files_that_would_take_forever_do_not(tmp_path: Path, more: str, reason: str) -> None:
    """Within the size that is allowed, in seconds, and told in a sentence that fits on a screen."""
    path = tmp_path / "cartctl.toml"
    path.write_text(more + SMALL if more.startswith("'") else SMALL + more)
    under_way = time.process_time()
    result = loaded(path)
    assert time.process_time() - under_way < 60
    assert reason in result
    assert len(result) < 1000


@pytest.mark.parametrize("kind", ("pipe", "device", "directory", "huge", "binary"))
def test_a_secret_is_read_from_a_regular_file(tmp_path: Path, kind: str) -> None:
    """A pipe never blocks, a device never fills the memory; each is named."""
    path = tmp_path / "secret"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"x" * 200_000 if kind == "huge" else b"\xff\xfe\0")
    with pytest.raises(ConfigError, match="secret"):
        Secret(file=path).reveal()


def test_a_secret_saved_on_windows_is_itself(tmp_path: Path) -> None:
    """Neither its byte order mark nor its line end belong to it."""
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbft0ken\r\n")
    assert Secret(file=tmp_path / "token").reveal() == "t0ken"
