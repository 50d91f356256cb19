"""`cartctl cart quote`: the worked examples, the JSON object, the receipt, and where documents come from."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cartctl.cart.pricing.quote import quote
from cartctl.cart.quote_document.document_reader import read_quote
from cartctl.cli import app
from cartctl.render import renderers as text
from tests.cart.pricing.cases import cases, completed, differences, short
from tests.sandbox_fixture import wait_for

WORKED = cases("worked")
ROOT = Path(__file__).parents[2]
RECEIPT = ROOT / "tests/cases/quote/receipt"


def run(*args: str, given: bytes | str | None = None) -> Result:
    """One command line."""
    return CliRunner().invoke(app, ["cart", "quote", *args], input=given)


@pytest.mark.parametrize(
    ("document", "expected"), [case[1:] for case in WORKED], ids=[case[0] for case in WORKED]
)
def test_the_worked_examples_pass(tmp_path: Path, document: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each worked example comes out of the command line as the rules' own table has it."""
    file = tmp_path / "cart.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    result = run(str(file), "-o", "json")
    assert result.exit_code == 0, result.output
    assert not differences(expected, short(json.loads(result.stdout)))


def test_the_json_object_has_exactly_the_agreed_keys() -> None:
    """Programs find the keys of the format, in its order, and amounts as text."""
    document = completed(
        {
            "shippingRequired": True,
            "lines": [{"unitPrice": "1"}],
            "promotions": [{"type": "FREE_SHIPPING", "scope": "SHIPPING"}],
            "taxRates": [{"rate": "0.1"}],
            "shippingZones": [{"rules": [{"type": "FLAT_RATE", "baseRate": "5"}]}],
        }
    )
    result = json.loads(run("-", "-o", "json", given=json.dumps(document)).stdout)
    assert result == {
        "kind": "quote",
        "version": 1,
        "currency": "USD",
        "subtotal": "1.00",
        "discountTotal": "0.00",
        "shippingTotal": "0.00",
        "taxTotal": "0.10",
        "grandTotal": "1.10",
        "itemCount": 1,
        "taxStatus": "RESOLVED",
        "shippingStatus": "RESOLVED",
        "lines": [
            {"id": "l1", "gift": False, "base": "1.00", "discount": "0.00", "net": "1.00", "tax": "0.10"}
        ],
        "promotions": [{"id": "P1", "applied": True, "amount": "5.00", "reason": None}],
        "taxes": [{"name": "T1", "amount": "0.10"}],
        "shipping": {"zoneId": "z1", "ruleId": "r1", "amount": "5.00", "discount": "5.00"},
        "warnings": [],
    }


def test_stdin_of_a_process_is_read() -> None:
    """`-` reads the document from stdin, as bytes in UTF-8 whatever the terminal's encoding."""
    document = completed(
        {"lines": [{"unitPrice": "1"}], "taxRates": [{"rate": "0.1", "name": "Mehrwertsteuer für alle"}]}
    )
    done = subprocess.run(
        [sys.executable, "-m", "cartctl", "cart", "quote", "-", "-o", "json"],
        input=json.dumps(document, ensure_ascii=False).encode(),
        capture_output=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PYTHONPATH": str(ROOT)},
    )
    assert json.loads(done.stdout)["taxes"] == [{"name": "Mehrwertsteuer für alle", "amount": "0.10"}]


def test_the_receipt_explains_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receipt is as agreed on: every step with its reason, each on one line in files and pipes."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    result = run(str(RECEIPT.with_suffix(".json")))
    assert result.exit_code == 0, result.output
    assert result.stdout == RECEIPT.with_suffix(".txt").read_text(encoding="utf-8")


def test_the_readme_shows_what_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document in the README gives the receipt that stands below it."""
    monkeypatch.setenv("NO_COLOR", "1")
    shown = (ROOT / "README.md").read_text(encoding="utf-8").partition("$ cat cart.json\n")[2]
    document, _, receipt = shown.partition("```")[0].partition("$ cartctl cart quote cart.json\n")
    assert run("-", given=document).stdout == receipt


def test_names_are_shown_and_not_obeyed() -> None:
    """Markup and control characters in names are shown as they are, or as escapes."""
    name = "[red]<b>[/red]\x1b[31m\u202etxt"
    document = completed(
        {"lines": [{"unitPrice": "1", "id": name}], "taxRates": [{"rate": "0.1", "name": name}]}
    )
    shown = run("-", given=json.dumps(document)).stdout
    assert shown.count("[red]<b>[/red]\\x1b[31m\\u202etxt") == 2
    assert "\x1b" not in shown


@pytest.mark.parametrize("columns", (40, 80))
def test_no_digit_is_lost_where_it_is_narrow(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long names and the largest amounts are folded, never cut, on a narrow terminal too."""
    rate = {"rate": "0", "name": "a rate with words " * 8}
    document = completed({"lines": [{"unitPrice": "9999999999.99", "id": "n" * 90}], "taxRates": [rate]})
    stream = StringIO()
    monkeypatch.setattr(text, "PLAIN_WIDTH", columns)
    text.write(quote(read_quote(json.dumps(document).encode())), stream)
    shown = stream.getvalue()
    assert max(map(len, shown.splitlines())) <= columns
    assert "\u2026" not in shown
    assert shown.count("n") >= 90


def test_a_cart_that_cannot_be_converted_says_so() -> None:
    """Without an address and without a way to ship the receipt tells both."""
    document = completed({"shipTo": None, "shippingRequired": True, "lines": [{"unitPrice": "1"}]})
    shown = run("-", given=json.dumps(document)).stdout
    assert "The tax is unknown without an address" in shown
    assert "No shipping to this address" in shown


@pytest.mark.parametrize("name", ("missing.json", "."))
def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, name: str) -> None:
    """A missing file or a directory ends with 2 and one sentence."""
    result = run(str(tmp_path / name))
    assert result.exit_code == 2
    assert result.stderr.startswith("cartctl: Cannot read ")


def test_a_refusal_is_an_error_object() -> None:
    """With `-o json` a refusal is an object on stdout, its message beginning with the field's path."""
    document = completed({"lines": [{"unitPrice": 12.49}]})
    result = run("-", "-o", "json", given=json.dumps(document))
    assert result.exit_code == 2
    results = json.loads(result.stdout)
    assert (results["kind"], results["code"], results["exit_code"]) == ("error", "INVALID_INPUT", 2)
    assert results["message"].startswith("lines[0].unitPrice: ")


def test_a_pipe_that_nobody_writes_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2 instead of a wait for ever."""
    monkeypatch.setattr(sys.modules["cartctl.commands.cart.quote"], "WRITER_SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe")
    result = run(str(tmp_path / "pipe"))
    assert (result.exit_code, result.stderr.count("has no writer")) == (2, 1)


def test_a_pipe_with_a_slow_writer_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that is there may take longer than one is waited for."""
    monkeypatch.setattr(sys.modules["cartctl.commands.cart.quote"], "WRITER_SECONDS", 0.2)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    slow = "import sys, time; stream = open(sys.argv[1], 'w'); time.sleep(1); stream.write('[]')"
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen([sys.executable, "-c", slow, str(pipe)]) as writer:
        wait_for(lambda: _is_open(reader))
        result = run(str(pipe))
        os.close(reader)
    assert (writer.returncode, result.exit_code, "object" in result.output) == (0, 2, True)


def _is_open(reader: int) -> bool:
    """Whether a pipe, empty so far, has a writer."""
    try:
        os.read(reader, 1)
    except BlockingIOError:
        return True
    return False
