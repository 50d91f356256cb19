"""Files and texts that somebody else wrote: any kind of file, any encoding, any nesting, in bounded time."""

import os
import socket
from pathlib import Path

import pytest

from cartctl.inputs import DEPTH, InvalidInput, MissingInput, parse_json, parse_toml, read_bytes, read_text

LIMIT = 1000


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    """The limit itself is allowed, a byte more is not."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * LIMIT)
    assert len(read_bytes(path, limit=LIMIT)) == LIMIT
    path.write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(InvalidInput, match="larger than 1000 bytes"):
        read_bytes(path, limit=LIMIT)


def test_a_byte_order_mark_is_no_text_and_line_ends_stay(tmp_path: Path) -> None:
    """As Windows' editors save a file."""
    path = tmp_path / "file"
    path.write_bytes("\ufeffä = 1\r\n".encode())
    assert read_text(path, limit=LIMIT) == "ä = 1\r\n"


@pytest.mark.parametrize("content", (b"\xff\xfea\x00", b"a\xff", b"\xed\xa0\x80"))
def test_another_encoding_is_named(tmp_path: Path, content: bytes) -> None:
    """UTF-16, Latin-1 and halves of characters."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_text(path, limit=LIMIT)


def test_pipes_devices_sockets_and_directories_are_refused_at_once(tmp_path: Path) -> None:
    """A pipe that nobody writes into never blocks, a device without end never fills the memory."""
    pipe, door = tmp_path / "pipe", tmp_path / "socket"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(door))
        for path, kind in (
            (pipe, "a pipe"),
            (Path("/dev/zero"), "a device"),
            (tmp_path, "a directory"),
            (door, "cannot be read"),
        ):
            with pytest.raises(InvalidInput, match=kind):
                read_bytes(path, limit=LIMIT)


def test_a_link_to_a_file_is_the_file(tmp_path: Path) -> None:
    """As Kubernetes mounts secrets; a link to nowhere is missing."""
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dead").symlink_to("nowhere")
    assert read_bytes(tmp_path / "link", limit=LIMIT) == b"x"
    for name in ("dead", "none"):
        with pytest.raises(MissingInput):
            read_bytes(tmp_path / name, limit=LIMIT)


@pytest.mark.parametrize("name", ("a\0b", "x" * 5000, "\ud800"))
def test_a_name_that_no_file_can_have_is_an_error_of_ours(tmp_path: Path, name: str) -> None:
    """Null bytes, thousands of characters, halves of characters."""
    with pytest.raises(InvalidInput):
        read_bytes(tmp_path / name, limit=LIMIT)


@pytest.mark.parametrize(
    ("text", "reason"),
    (
        ("a = " + "[" * 5000 + "]" * 5000, "nested"),
        ("a = " + "{b = " * 5000 + "1" + "}" * 5000, "nested"),
        ("a = " + "[" * 500 + "]" * 500, "nested"),
        (".".join("a" * 20_000) + " = 1", "parts"),
        ("[" + ".".join(["'a'", '"b"'] * 200_000) + "]", "parts"),
        ("x = {" + " . ".join("a" * 20_000) + " = 1}", "parts"),
        ("a = " + "9" * 10_000, "not valid TOML"),
        ("a = 1\x00", "not valid TOML"),
        ("a = 2020-13-01", "not valid TOML"),
    ),
    ids=range(9),
)
def test_toml_beyond_any_use_is_refused(text: str, reason: str) -> None:
    """Nesting, keys of thousands of parts, numbers of thousands of digits."""
    with pytest.raises(InvalidInput, match=reason):
        parse_toml(text)


def test_toml_of_use_is_read() -> None:
    """Windows' line ends, long words, and dots in texts."""
    long = "x" * 100_000
    assert parse_toml(f"a.b = 1\r\n{long} = '{'a.' * 50}'\r\n") == {"a": {"b": 1}, long: "a." * 50}
    assert parse_toml("") == {}


@pytest.mark.parametrize(
    "text",
    (
        "",
        "NaN",
        '{"a": Infinity}',
        "[" * 100_000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        "[" * (DEPTH + 2) + "]" * (DEPTH + 2),
        "9" * 5000,
        b"\xff",
        "[1, 2",
    ),
    ids=range(9),
)
def test_json_beyond_any_use_is_refused(text: str | bytes) -> None:
    """What is no JSON, no number, or nested without end."""
    with pytest.raises(InvalidInput):
        parse_json(text)


def test_json_of_use_is_read() -> None:
    """Any value, nested as deeply as allowed."""
    assert parse_json('{"a": [1, 2.5, null, "x"]}') == {"a": [1, 2.5, None, "x"]}
    assert parse_json("[" * DEPTH + "]" * DEPTH)
