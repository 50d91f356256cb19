"""The exit codes: each error class has one that the table names, and a word of its own for machines."""

import json
import re

import pytest

from cartctl import errors
from cartctl.errors import CartctlError
from cartctl.render.failure import report_failure
from cartctl.render.output import guarded_streams


def descendants(kind: type[CartctlError]) -> set[type[CartctlError]]:
    """A class and all below it that are loaded."""
    return {kind}.union(*(descendants(below) for below in kind.__subclasses__()))


def table() -> dict[int, str]:
    """The exit codes that the documentation promises."""
    return {
        int(code): message
        for code, message in re.findall(r"^\| (\d+) \| (.+?) \|$", errors.__doc__ or "", re.MULTILINE)
    }


def test_every_exit_code_is_documented() -> None:
    """No error ends with a code that the table does not name."""
    assert {kind.exit_code for kind in descendants(CartctlError)} <= table().keys()


def test_every_documented_failure_has_an_error() -> None:
    """Each code of the table but success is some error's."""
    own = {kind.exit_code for kind in descendants(CartctlError) if kind.__module__ == errors.__name__}
    assert own == table().keys() - {0}


def test_an_error_carries_its_data() -> None:
    """Message and hint are data, and the message is the text."""
    error = errors.Locked("Run X holds the lock.", hint="Wait for it to finish.")
    assert (str(error), error.message, error.hint) == ("Run X holds the lock.",) * 2 + (
        "Wait for it to finish.",
    )


def test_an_error_without_a_hint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No empty hint is printed."""
    report_failure(errors.Refused("No."), as_json=False)
    assert capsys.readouterr().err == "cartctl: No.\n"


def test_what_an_error_quotes_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and other characters without a picture are told as escapes; lines stay lines."""
    with guarded_streams():
        report_failure(errors.Refused("No \x1b[31m\u202ecart\nat all.", hint="\x07\udcff"), as_json=False)
    shown = "cartctl: No \\x1b[31m\\u202ecart\nat all.\n  hint: \\x07\\udcff\n"
    assert capsys.readouterr().err == shown


@pytest.mark.parametrize("as_json", (True, False))
def test_credentials_are_masked_once_more(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    """Whatever an error quotes, passwords in addresses and connection strings are not repeated."""
    error = errors.StepFailed("postgresql://u:hunter2@h/d", hint="host=h password=hunter2 x=1")
    with guarded_streams():
        report_failure(error, as_json=as_json)
    output = capsys.readouterr()
    assert "hunter2" not in output.out + output.err
    assert "@h/d" in output.out + output.err
    assert not as_json or json.loads(output.out)["exit_code"] == 5
