"""The list of companies, the frozen order, and conversion: what is read, and what is refused by name."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openfeature.contrib.tools.flagd.core.targeting import custom_ops

from cartctl.adapters.metrics.source import PastReading
from cartctl.adapters.postgres import Postgres
from cartctl.checks.gates import Past, judge_past
from cartctl.config.model.rollout import Companies as Settings
from cartctl.config.model.rollout import Gate
from cartctl.engine.model import CheckResult, Verdict
from cartctl.errors import ConfigError, Refused
from cartctl.rollout import evaluation
from cartctl.rollout.companies import checked, read_companies
from cartctl.rollout.gates import Conversion, count_carts, judge_conversion
from cartctl.rollout.recorded_bucketing import (
    BucketingChanged,
    freeze,
    refuse_changed,
    refuse_other_library,
    table,
)


@pytest.mark.parametrize(
    ("rows", "expected"),
    (
        ([("a",), ("b",), ("a",)], "duplicate: a"),
        ([("",)], "is empty: row 1: ''"),
        ([(None,)], "is empty: row 1: None"),
        ([("a",), (17,)], "is not text: row 2: 17"),
        ([(" a",)], "has surrounding blanks"),
        ([("a", "maybe")], "neither true nor false: row 1: 'maybe'"),
        ([(number,) for number in range(9)], "and 4 more"),
    ),
)
def test_a_list_that_cannot_be_trusted_is_named(rows: list[tuple[Any, ...]], expected: str) -> None:
    """Duplicates, empty ids, ids of other types and beta marks that say nothing stop it, with the rows."""
    with pytest.raises(ConfigError, match=expected):
        checked(rows)


def test_a_beta_list_naming_strangers_is_refused() -> None:
    """A beta company that the list of all does not have is named."""
    with pytest.raises(ConfigError, match="not a company: nobody"):
        checked([("a",), ("b",)], ("a", "nobody"))
    assert checked([("a", True), ("b", False)], ("b",)).beta == {"b"}


def test_companies_come_from_a_query(platform_database: Postgres) -> None:
    """The query's first two columns are read, in a session that cannot write; none at all are refused."""
    settings = Settings(sql="SELECT id, beta FROM companies ORDER BY id")
    with pytest.raises(Refused, match="returns no companies"):
        read_companies(settings, platform_database)
    with platform_database.session("test") as connection:
        connection.execute(
            "INSERT INTO companies (id, name, beta) VALUES ('a', 'A', true), ('b', 'B', false)"
        )
    result = read_companies(settings, platform_database)
    assert (list(result.ids), set(result.beta), list(result.without(["a"]).ids)) == (["a", "b"], {"a"}, ["b"])
    ordered = Settings(sql=" SELECT id, beta -- both\nFROM companies ORDER BY id DESC; ")
    assert read_companies(ordered, platform_database).ids == ("b", "a")


@pytest.mark.parametrize(
    ("query", "expected"),
    (
        ("DELETE FROM companies RETURNING id", "syntax error"),
        ("SELECT id FROM unsaid", "does not exist"),
        ("SELECT 'a'; SELECT 'b'", "syntax error"),
        ("COPY companies TO STDOUT", "syntax error"),
        ("SELEC id", "syntax error"),
        ("-- nothing", "syntax error"),
    ),
)
def test_a_query_that_is_none_is_named(platform_database: Postgres, query: str, expected: str) -> None:
    """What is no query, or fails, ends with exit code 2 and the key it stands under."""
    with pytest.raises(ConfigError, match=rf"rollout\.companies\.sql failed: .*{expected}"):
        read_companies(Settings(sql=query), platform_database)


def test_a_query_cannot_write(platform_database: Postgres) -> None:
    """A function that writes is refused by the server: the session is read-only."""
    with platform_database.session("test") as connection:
        connection.execute("CREATE SEQUENCE s")
    with pytest.raises(ConfigError, match="read-only transaction"):
        read_companies(Settings(sql="SELECT nextval('s')::text"), platform_database)


def test_companies_come_from_a_file(tmp_path: Path, empty_database: Postgres) -> None:
    """A CSV file with a header; one without the column, or that is not there, is named."""
    path = tmp_path / "companies.csv"
    path.write_text("beta,id\nyes,a\n,b\n", encoding="utf-8")
    result = read_companies(Settings(csv=path), empty_database)
    assert (list(result.ids), set(result.beta)) == (["a", "b"], {"a"})
    path.write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="missing 'id'"):
        read_companies(Settings(csv=path), empty_database)
    with pytest.raises(ConfigError, match="file not found"):
        read_companies(Settings(csv=tmp_path / "none.csv"), empty_database)
    with pytest.raises(ConfigError, match="not configured"):
        read_companies(None, empty_database)


@pytest.mark.parametrize(
    ("text", "ids"),
    (
        ("\ufeffid,beta\r\na,yes\r\n\r\nb,no\r\n", ["a", "b"]),
        ('id,beta\n"a,1",\n"say ""hi""",\n', ["a,1", 'say "hi"']),
        ("id\nAcme\nacme\na\u2028b\n東京\n", ["Acme", "acme", "a\u2028b", "東京"]),
    ),
)
def test_a_file_is_read_as_it_is_meant(tmp_path: Path, text: str, ids: list[str]) -> None:
    """A byte order mark, CRLF, quotes, empty lines, other scripts; ids that differ in case are two companies."""
    path = tmp_path / "companies.csv"
    path.write_bytes(text.encode())
    result = read_companies(Settings(csv=path), Postgres("host=/nowhere"))
    assert list(result.ids) == ids


@pytest.mark.parametrize(
    ("header", "expected"),
    (
        ("id, beta", "line 1: wrong column names: unknown ' beta'"),
        ("name,id,beta", "unknown 'name'"),
        ("ID,Beta", "unknown 'ID', 'Beta'; missing 'id'"),
        ("id,id,beta,beta", "duplicate 'id', 'beta'"),
        ("beta", "missing 'id'"),
        ("\n\nid;beta", "line 3: wrong column names: unknown 'id;beta'; missing 'id'"),
        ("id,", "unknown ''"),
        ("id,\x1b[31m", "unknown"),
    ),
)
def test_wrong_column_names_are_refused_by_name(tmp_path: Path, header: str, expected: str) -> None:
    """A column that nobody reads would leave companies out in silence; the accepted names are said."""
    path = tmp_path / "companies.csv"
    path.write_text(f"{header}\na,true,true,true\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_companies(Settings(csv=path), Postgres("host=/nowhere"))
    assert expected in caught.value.message
    assert "id,beta" in caught.value.hint
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        ('id,beta\n"a,yes\nb,no\n', "not valid CSV, near line 3: unexpected end of data"),
        ("id,beta\na,1,yes\n", "near line 2: it has more fields than the first line"),
        (f"id\n{'x' * 200_000}\n", "near line 2: field larger"),
        ("", "line 1: wrong column names: missing 'id'"),
    ),
)
def test_a_file_that_would_lose_companies_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    """A quote that is never closed, a comma outside quotes, a line without end: named by line, and nobody is left out in silence."""
    path = tmp_path / "companies.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=expected):
        read_companies(Settings(csv=path), Postgres("host=/nowhere"))


def test_the_shipped_table_is_what_the_library_answers() -> None:
    """The installed library puts every id of the table into its bucket, and the seed decides."""
    refuse_other_library()
    assert len(table()) > 50
    assert freeze("cart").table == tuple(table().values())
    assert freeze("other").table != freeze("cart").table


def test_a_rollout_goes_on_only_with_what_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another seed, or a library that hashes otherwise, is refused by name."""
    recorded = freeze("cart").to_json()
    refuse_changed(recorded, "cart")
    with pytest.raises(BucketingChanged, match="its seed was 'cart', is 'new'"):
        refuse_changed(recorded, "new")
    real = custom_ops.fractional
    monkeypatch.setattr(evaluation, "fractional", lambda data, key, *shares: real(data, f"{key}!", *shares))
    with pytest.raises(BucketingChanged, match="into different buckets"):
        refuse_changed(recorded, "cart")


@pytest.mark.parametrize(
    ("ours", "others", "verdict", "expected"),
    (
        (Conversion(300, 60), Conversion(300, 60), Verdict.PASS, "20.0% of 300 carts"),
        (Conversion(300, 54), Conversion(300, 60), Verdict.PASS, "18.0%"),
        (Conversion(300, 53), Conversion(300, 60), Verdict.FAIL, "17.7%"),
        (Conversion(199, 0), Conversion(300, 60), Verdict.WARN, "not enough data"),
        (Conversion(300, 0), Conversion(0, 0), Verdict.WARN, "not enough data"),
    ),
)
def test_conversion_is_compared_with_its_numbers(
    ours: Conversion, others: Conversion, verdict: Verdict, expected: str
) -> None:
    """A tenth below the others passes, more fails; too few carts on a side are "not enough data"."""
    result = judge_conversion({"a": ours, "b": others}, frozenset({"a"}), Gate())
    assert result.verdict is verdict
    assert expected in result.observed


def test_too_few_carts_are_unknown_where_conversion_is_required() -> None:
    """With `conversion_required` a stage waits for its numbers."""
    gate = Gate(conversion_required=True)
    assert judge_conversion({}, frozenset(), gate).verdict is Verdict.UNKNOWN


def test_carts_are_counted_by_company(migrated: Postgres) -> None:
    """Carts of the span, and those of them that were bought; older ones are left out."""
    now = datetime.now(UTC)
    with migrated.session("test") as connection:
        connection.execute("INSERT INTO companies (id, name) VALUES ('a', 'A'), ('b', 'B')")
        for number, (company, status, age) in enumerate(
            (("a", "CONVERTED", 1), ("a", "ACTIVE", 2), ("b", "ABANDONED", 3), ("a", "CONVERTED", 30))
        ):
            connection.execute(
                """INSERT INTO carts (id, "companyId", status, "createdAt", "updatedAt") VALUES (%s, %s, %s::"CartStatus", %s, now())""",
                (f"cart-{number}", company, status, (now - timedelta(hours=age)).replace(tzinfo=None)),
            )
    result = count_carts(migrated, now - timedelta(hours=24), now)
    assert result == {"a": Conversion(2, 1), "b": Conversion(1, 0)}


def test_past_error_rates_fail_when_they_lasted() -> None:
    """Critical for longer than it may be fails; a passing spike warns; no past, or a night without requests, is a warning that says so."""
    past = Past(None, 0.05, 300)

    def judged(*rates: float) -> CheckResult:
        return judge_past([PastReading(60.0 * at, rate, 100) for at, rate in enumerate(rates)], past)

    assert judged(0, 0.01, 0.05).verdict is Verdict.PASS
    assert judged(0, 0.2, 0.2, 0).verdict is Verdict.WARN
    assert judged(0, *[0.2] * 6, 0).verdict is Verdict.WARN  # exactly five minutes
    assert judged(0, *[0.2] * 7, 0).verdict is Verdict.FAIL
    assert "has no history" in judged().observed
    quiet = judged(*[float("nan")] * 20)
    assert (quiet.verdict, "no requests in 20 samples" in quiet.observed) == (Verdict.WARN, True)
    assert judged(0.01, *[float("nan")] * 20, 0.01).observed == "at most 1.0% in 2 samples"
    assert judged(*[0.2] * 4, float("nan"), *[0.2] * 4).verdict is Verdict.WARN  # two spans, not one
