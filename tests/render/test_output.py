"""The output boundary: what strangers write reaches a terminal or a pipe as text, never as a command to it."""

import io
import json
import logging
import sys
import traceback
from dataclasses import dataclass

import pytest
import typer

from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.redaction import register
from cartctl.render import json as as_json
from cartctl.render.drawing import Console, Group, Text
from cartctl.render.output import guarded_streams
from cartctl.render.renderers import write

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\r\x00\u202e\u2066\u200b\ufeff\u2028\ud800 [red]x[/red]"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\r\x00\u202e\u2066\u200b\ufeff\u2028\ud800 [red]x[/red]"
CHECKS = Checks(
    (CheckResult(EVIL[-8:] + EVIL, Verdict.FAIL, observed=f"a\tb\n{EVIL}", expected=EVIL, hint=EVIL),)
)


@dataclass(frozen=True)
class Odd:
    """A result of any kind."""

    kind = "odd"
    text: str


def test_what_is_written_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Every way to write: the streams, typer, logging, a traceback. Tabs and line ends stay."""
    with guarded_streams():
        sys.stdout.write(f"a\tb\n{EVIL}\n")
        sys.stdout.writelines([EVIL, "\n"])
        typer.echo(EVIL)
        typer.echo(EVIL, err=True)
        logging.StreamHandler(sys.stderr).emit(logging.LogRecord("x", 1, "x", 1, EVIL, (), None))
        traceback.print_exception(ValueError(EVIL))
    output = capsys.readouterr()
    assert output.out == f"a\tb\n{SHOWN}\n{SHOWN}\n" + output.out.splitlines()[-1] + "\n"
    assert output.err.count(SHOWN) == 2
    assert (output.out + output.err).isascii()  # typer takes colours out of what it writes to no terminal
    assert (output.out + output.err).count("owned") == 6


@pytest.mark.parametrize("terminal", (True, False))
def test_what_is_drawn_is_escaped_and_our_colours_stay(terminal: bool) -> None:
    """On a terminal the only escape sequences are our own; brackets are no markup."""
    out = io.StringIO()
    console = Console(out, force_terminal=terminal, color_system="standard" if terminal else None, width=400)
    console.print(Group(Text(EVIL, "red"), Text.assemble(EVIL, (EVIL, "bold")), Text("x").append(EVIL), EVIL))
    assert out.getvalue().count(SHOWN) == 5
    assert out.getvalue().count("\x1b[") == (4 if terminal else 0)
    assert not set(out.getvalue()) & set("\x07\x9b\x7f\r\x00\u202e\u2066\u200b\ufeff\u2028\ud800")


def test_checks_are_shown_as_they_were_found() -> None:
    """Names, what was observed, hints."""
    out = io.StringIO()
    write(CHECKS, out)
    assert r"\x1b]0;owned\x07" in out.getvalue()
    assert out.getvalue().replace("\n", "").isprintable()


def test_json_is_escaped_as_json() -> None:
    """Nothing that a terminal obeys, and the same text for whoever reads it."""
    out = io.StringIO()
    as_json.write(Odd(EVIL), out)
    assert out.getvalue().replace("\n", "").isprintable()
    assert json.loads(out.getvalue())["text"] == EVIL


def test_a_secret_is_masked_before_lines_are_broken() -> None:
    """A value that a table folds over two lines is still one secret."""
    register("correct horse battery staple")
    out = io.StringIO()
    write(Checks((CheckResult("x", Verdict.WARN, observed="y" * 90 + " correct horse battery staple"),)), out)
    assert "***" in out.getvalue()
    assert not any(word in out.getvalue() for word in ("correct", "horse", "staple"))


def test_a_secret_with_quotes_leaves_json_whole() -> None:
    """Masked value by value: a secret that looks like JSON tears nothing."""
    register('", "text": "')
    out = io.StringIO()
    as_json.write(Odd('a", "text": "b'), out)
    assert json.loads(out.getvalue())["text"] == "a***b"


def test_the_streams_are_given_back() -> None:
    """After the command, stdout and stderr are what they were; what waited is written."""
    register("AlphaBravo")
    previous = sys.stdout, sys.stderr
    with guarded_streams():
        assert sys.stdout is not previous[0]
        assert not hasattr(sys.stdout, "buffer")
    assert (sys.stdout, sys.stderr) == previous
