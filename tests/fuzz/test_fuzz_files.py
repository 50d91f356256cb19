"""Any bytes in a file that a user or another program supplies end in a value or in an error of ours, never in a bug."""

import atexit
import codecs
import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from cartctl.adapters.flag_store import FileFlags
from cartctl.adapters.postgres import Postgres
from cartctl.cart.errors import CartError
from cartctl.cart.quote_document.document_reader import read_quote
from cartctl.checks.preflight.junit import UnusableReportError, read_report
from cartctl.checks.smoke.suite_file import load_suite
from cartctl.config.load import load_with_origins
from cartctl.config.model.rollout import Companies
from cartctl.config.values import Secret
from cartctl.engine.journal.lines import DamagedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.report import report
from cartctl.engine.state import fold
from cartctl.errors import CartctlError
from cartctl.plans.execution.journal_file import read_journal_file
from cartctl.rollout.companies import read_companies
from cartctl.rollout.document import EVALUATOR, parse, put_in, values_in
from cartctl.rollout.flag_names import FLAGS
from cartctl.sandbox.layout import read_json
from cartctl.snapshots.manifest.manifest import NAME, read_manifest
from tests.fuzz.amount import FUZZ, JSON, mutated

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
CONFIG = """[env.dev.database]
dsn = "host=/nowhere"
[env.dev.cluster]
kind = "kubernetes"
prewarm = { payment-api = 2 }
[env.dev.http]
api = "https://api.test"
[env.dev.rollout]
stages = ["0-2 internal", "3-5 shadow", "6-10 beta 10%"]
start = 2026-12-01
window = { day = "tue", from = "02:00", to = "04:00", zone = "UTC" }
"""
SUITE = """name = "own"
[[request]]
name = "products"
path = "/api/products"
json = { "0.currency" = "USD" }
body = { a = [1, 2.5, true] }
"""
REPORT = '<testsuites><testsuite failures="0"><testcase name="a"/><testcase name="b"><skipped/></testcase></testsuite></testsuites>'
EVENT = '{"run": "r", "at": "2026-12-01T02:00:00+00:00", "key": "run", "event": "started", "data": {"plan": "deploy"}}\n'
INTENDED = '{"run": "r", "at": "2026-12-01T02:00:00+00:00", "key": "release.api", "event": "intended", "data": {"kind": "release", "names": ["a"], "before": {"a": "x"}, "to": {"a": "y"}}}\n'
FINISHED = '{"run": "r", "at": "2026-12-01T02:01:00+00:00", "key": "run", "event": "finished", "data": {"outcome": "succeeded", "exit_code": 0}}\n'
FLAG_DOCUMENT = '{"flags": {"FEATURE_CART_MANAGEMENT": {"state": "ENABLED", "targeting": {"$ref": "x"}}}, "$evaluators": {"cartctl_rollout": {}}}'
QUOTE = '{"currency": "USD", "now": "2026-12-01T00:00:00Z", "companyId": "c", "items": [{"id": "i", "productId": "p", "quantity": 1, "price": "9.99"}]}'
MANIFEST = '{"digest": "0", "manifest": {"id": "x", "created_at": "2026-12-01T00:00:00Z", "tables": {}, "files": {}}}'


def written(content: bytes, name: str = "file") -> Path:
    """A file of these bytes."""
    path = FOLDER / name
    path.write_bytes(content)
    return path


@FUZZ
@given(mutated(CONFIG, "\ufeff" + CONFIG.replace("\n", "\r\n")))
def test_configuration(content: bytes) -> None:
    """`cartctl.toml`: valid, problems, or an error."""
    with suppress(CartctlError):
        loaded = load_with_origins(str(written(content, "cartctl.toml")), "dev")
        assert all(problem.sentence(loaded.layers, "dev") for problem in loaded.problems)


@FUZZ
@given(mutated(SUITE))
def test_suite(content: bytes) -> None:
    """A smoke suite."""
    with suppress(CartctlError):
        json.dumps([request.body for request in load_suite(written(content)).request], allow_nan=False)


@FUZZ
@given(mutated("id,beta\na,true\nb,no\n", '\ufeffid,beta\r\n"a,1",\r\n'))
def test_companies(content: bytes) -> None:
    """The companies' CSV."""
    with suppress(CartctlError):
        assert read_companies(Companies(csv=written(content)), Postgres("host=/nowhere")).ids


@FUZZ
@given(
    mutated(REPORT, "<?xml version='1.0' encoding='utf-8'?>" + REPORT, "<!DOCTYPE x>" + REPORT),
    st.sampled_from(("", "utf-16", "utf-32", "latin-1", "utf-7", "cp037")),
    st.sampled_from(("", "utf-8", "utf-16", "utf-7", "hex", "gbk", "rot13", "idna", "cp037", "undefined")),
)
@example(REPORT.encode("utf-16"), "", "utf-8")
def test_report(content: bytes, encoding: str, declared: str) -> None:
    """A JUnit report in any encoding, declared truly or not."""
    if declared:
        content = f"<?xml version='1.0' encoding='{declared}'?>".encode() + content
    if encoding:
        content = codecs.encode(content.decode("utf-8", "replace"), encoding, "replace")
    with suppress(UnusableReportError):
        assert read_report(written(content)).ran >= 0


@FUZZ
@given(st.binary(max_size=300))
def test_secret(content: bytes) -> None:
    """A secret's file: its text, or an error."""
    with suppress(CartctlError):
        assert Secret(file=written(content)).reveal()


@FUZZ
@given(st.one_of(mutated(EVENT, EVENT + INTENDED), JSON.map(lambda value: json.dumps(value).encode())))
def test_journal(content: bytes) -> None:
    """A journal given with --journal."""
    with suppress(CartctlError):
        assert isinstance(read_journal_file(written(content)).run, str)


@FUZZ
@example(EVENT.encode() + b"\xff\n")
@example(EVENT.encode() + b"[" * 5000 + b"\n")
@example(EVENT.replace("deploy", "\u2028").encode())
@given(
    st.one_of(
        mutated(EVENT, EVENT + INTENDED, EVENT + INTENDED + FINISHED),
        st.builds(
            lambda event, data: (EVENT + json.dumps({**json.loads(event), "data": data}) + "\n").encode(),
            st.sampled_from((EVENT, INTENDED, FINISHED)),
            JSON,
        ),
    )
)
def test_local_journal(content: bytes) -> None:
    """A run's local file: read, reported, or damaged; it never hides that there is a run."""
    journal = FileJournal(FOLDER / "runs")
    journal.directory.mkdir(exist_ok=True)
    written(content, "runs/r.ndjson")
    with suppress(DamagedJournal):
        events = journal.events("r")
        state = fold("r", events)
        assert all(isinstance(held.before, Mapping) for held in state.evidence.values())
        report(events)
    journal.open_runs()
    assert journal.runs() == ["r"] or all(event.event != "started" for event in journal.events("r"))


@FUZZ
@given(st.one_of(mutated(FLAG_DOCUMENT), JSON.map(lambda value: json.dumps({"flags": value}).encode())))
def test_flag_document(content: bytes) -> None:
    """A document of flags: read, and written back with one more value."""
    with suppress(CartctlError):
        document = parse(FileFlags(written(content)).read().text, "flags")
        values_in(document, {}, (*FLAGS, EVALUATOR))
        put_in(document, {FLAGS[0]: {"state": "ENABLED"}})


@FUZZ
@given(st.one_of(mutated(QUOTE), JSON.map(lambda value: json.dumps(value).encode())))
def test_quote(content: bytes) -> None:
    """A cart to be priced."""
    with suppress(CartError):
        read_quote(content)


@FUZZ
@given(
    st.one_of(
        mutated(MANIFEST), JSON.map(lambda value: json.dumps({"digest": "", "manifest": value}).encode())
    )
)
def test_manifest(content: bytes) -> None:
    """A snapshot's manifest."""
    written(content, NAME)
    with suppress(CartctlError):
        read_manifest(FOLDER)


@FUZZ
@given(mutated('{"deployments": {}}'))
def test_state_file(content: bytes) -> None:
    """The supervisor's state: what it holds, or nothing."""
    read_json(written(content))
