"""Which approvals and attestations count: pure decisions, with the reason for each that does not."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.signoff import Required, Signoff
from cartctl.engine.events import Event, EventKind
from cartctl.engine.journal.stores import PostgresJournal
from cartctl.errors import Refused
from cartctl.inputs import InvalidInput
from cartctl.signoff.judgement import (
    ForeignSignature,
    attach,
    judge_sheet,
    require_role,
    require_signed,
    valid_attestations,
)
from cartctl.signoff.pool import POOL, Pool, read_pool, to_event
from cartctl.signoff.records import Approval, Attestation, Record, SignoffRequest, from_json, to_json
from cartctl.signoff.subject import ApprovalSubject, ApprovedImage

AT = datetime(2026, 11, 28, 2, tzinfo=UTC)
SUBJECT = ApprovalSubject(
    {"name": "production"}, {"skip": []}, {"api.api": ApprovedImage.of("api:2")}, {"001": "aa"}
)
REVIEWS = {"reviews": Required(at_least=5)}
POLICY = Signoff(
    roles=("DBA", "QA Lead"),
    signers={"ann": ("DBA",), "bob": ("QA Lead", "DBA")},
    allowed_signers=Path("signers"),
    attestations=REVIEWS,
)
REQUEST = SignoffRequest("production", SUBJECT.fingerprint, SUBJECT, ("DBA",), "operator", AT)


def verify(message: bytes, signature: str, name: str) -> str:
    """Accepts a signature that is the signer's name."""
    if signature != name:
        raise ForeignSignature(f"The signature is not one of {name}.")
    return f"key of {name}"


def approval(role: str = "DBA", name: str = "ann", **changes: Any) -> Approval:
    """A valid approval, with changes."""
    return replace(Approval("production", role, name, AT, SUBJECT.fingerprint, name), **changes)


def attestation(**changes: Any) -> Attestation:
    """A valid attestation, with changes."""
    made = Attestation("production", "reviews", 5, "https://x", "ann", AT, SUBJECT.basis, "ann")
    return replace(made, **changes)


def reasons(
    *approvals: Approval, policy: Signoff = POLICY, subject: ApprovalSubject = SUBJECT
) -> dict[str, str]:
    """Role → the reason why it has not approved; empty when it has."""
    sheet = judge_sheet(subject, Pool((REQUEST,), approvals), policy, verify)
    assert sheet.complete == all(row.counts for row in sheet.rows)
    return {row.role: row.reason for row in sheet.rows}


def test_each_role_needs_one_valid_approval() -> None:
    """Two of them complete the sheet; its rows have name, time and key."""
    pool = Pool((REQUEST,), (approval(), approval("QA Lead", "bob")))
    sheet = judge_sheet(SUBJECT, pool, POLICY, verify)
    assert (sheet.complete, sheet.requested, sheet.outdated) == (True, True, ())
    assert [(row.role, row.name, row.at, row.key) for row in sheet.rows] == [
        ("DBA", "ann", AT, "key of ann"),
        ("QA Lead", "bob", AT, "key of bob"),
    ]
    assert reasons() == {"DBA": "not approved", "QA Lead": "not approved"}


@pytest.mark.parametrize(
    ("change", "reason"),
    (
        ({"name": "carl", "signature": "carl"}, "carl does not have the role DBA (roles: none)"),
        ({"signature": ""}, "The sign-off of ann is not signed, and signoff.allowed_signers requires it"),
        ({"signature": "bob"}, "The signature is not one of ann"),
        (
            {"fingerprint": f"sha256:{'0' * 64}"},
            "The sign-off of ann as DBA is outdated: it approves something else",
        ),
    ),
)
def test_an_approval_that_does_not_count_has_a_reason(change: dict[str, str], reason: str) -> None:
    """Its role is as good as not approved; a valid one beside it counts."""
    wrong = approval(**change)
    assert reasons(wrong)["DBA"] == reason
    assert reasons(wrong, approval())["DBA"] == ""
    assert reasons(approval(), wrong)["DBA"] == ""


def test_an_outdated_approval_names_what_has_changed() -> None:
    """Found by the fingerprint among the requests."""
    changed = replace(SUBJECT, images={"api.api": ApprovedImage.of("api:3")})
    assert reasons(approval(), subject=changed)["DBA"].endswith("outdated: image api.api was api:2, is api:3")
    sheet = judge_sheet(changed, Pool((REQUEST,)), POLICY, verify)
    assert (sheet.requested, sheet.outdated) == (False, ("image api.api was api:2, is api:3",))


def test_a_role_is_held_by_whom_the_configuration_says() -> None:
    """Several roles of one signer count; without a mapping, one name approves in one role."""
    both = (approval("QA Lead", "bob"), approval("DBA", "bob"))
    assert set(reasons(*both).values()) == {""}
    free = POLICY.model_copy(update={"signers": {}})
    assert reasons(*both, policy=free)["QA Lead"].startswith("bob has approved as DBA")
    require_role("DBA", "anybody", free)
    with pytest.raises(Refused, match="Cook is not a required role"):
        require_role("Cook", "bob", POLICY)


def test_without_allowed_signers_a_name_is_enough() -> None:
    """And a signature that came with it proves nothing: it is not shown as one."""
    plain = POLICY.model_copy(update={"allowed_signers": None})
    assert require_signed(approval(signature=""), plain, verify) == ""
    assert require_signed(approval(signature="anything"), plain, verify) == ""


def test_the_newest_valid_attestation_counts() -> None:
    """About these images and migrations, signed by an allowed signer; its value is judged elsewhere."""
    older, newer = attestation(value=6), attestation(value=4, at=AT + timedelta(hours=1))
    invalid = (
        attestation(value=9, signature=""),
        attestation(value=9, signature="bob"),
        attestation(value=9, name="carl", signature="carl"),
        attestation(value=9, fingerprint=f"sha256:{'0' * 64}"),
        attestation(value=9, subject="coffee"),
    )
    pool = Pool(attestations=(older, newer, *invalid))
    assert valid_attestations(SUBJECT, pool, POLICY, verify) == {"reviews": newer}
    complete = attach(SUBJECT, {"reviews": newer})
    assert (complete.attestations["reviews"].value, complete.fingerprint != SUBJECT.fingerprint) == (4, True)
    stale = judge_sheet(SUBJECT, replace(pool, approvals=(approval(),), requests=(REQUEST,)), POLICY, verify)
    assert "attestation reviews was none, is 4" in stale.rows[0].reason


def test_the_journal_gives_back_what_was_recorded() -> None:
    """Requests, approvals and attestations of one environment; what is malformed hides nothing else."""
    records: tuple[Record | SignoffRequest, ...] = (
        REQUEST,
        approval(),
        attestation(),
        replace(approval(), environment="staging"),
    )
    odd = [
        Event(POOL, AT, "signoff.DBA", EventKind.SIGNED, {"role": 1}),
        Event(POOL, AT, "x", "unknown", {}),
    ]
    pool = read_pool([*odd, *map(to_event, records)], "production")
    assert pool == Pool((REQUEST,), (approval(),), (attestation(),), unreadable=1)
    assert pool.subject_of(SUBJECT.fingerprint) == SUBJECT


def test_a_signature_covers_every_field() -> None:
    """Whatever is changed in a record, its message is another."""
    one = approval()
    others = [
        replace(one, environment="x"),
        replace(one, role="x"),
        replace(one, name="x"),
        replace(one, at=AT + timedelta(seconds=1)),
        replace(one, fingerprint="x"),
    ]
    messages = [one.message, *(other.message for other in others), attestation().message]
    assert len(set(messages)) == len(messages)
    assert replace(one, signature="other").message == one.message
    assert replace(attestation(), value=6).message != attestation().message
    assert replace(attestation(), link="x").message != attestation().message


def test_a_modified_request_is_refused() -> None:
    """Its fingerprint is recomputed."""
    values = to_json(REQUEST)
    assert from_json(SignoffRequest, values) == REQUEST
    values["subject"]["images"]["api.api"]["ref"] = "api:9"
    with pytest.raises(InvalidInput, match="it was modified"):
        from_json(SignoffRequest, values)


def test_an_approver_needs_to_read_and_add_entries_and_nothing_else(platform_database: Postgres) -> None:
    """The grants of runbooks/postgres/roles.sql: more entries, none changed, no table made."""
    with closing(PostgresJournal(platform_database)) as journal:
        journal.prepare()
        journal.append(to_event(REQUEST))
    text = (Path(__file__).parents[2] / "runbooks/postgres/roles.sql").read_text(encoding="utf-8")
    grants = [line.removeprefix("--   ") for line in text.splitlines() if "<approver>" in line]
    assert len(grants) == 3
    name = f"approver_{uuid4().hex[:8]}"
    with platform_database.session("test") as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN")
        for grant in grants:
            own = grant.replace("<approver>", name).replace("<database>", connection.info.dbname)
            connection.execute(own.encode())
    approver = Postgres(make_conninfo(platform_database.dsn, user=name))
    with closing(PostgresJournal(approver)) as journal:
        journal.prepare()
        journal.append(to_event(approval()))
        assert read_pool(journal.events(POOL), "production").approvals == (approval(),)
    for statement in ("DELETE FROM cartctl_journal.event", "CREATE TABLE cartctl_journal.other ()"):
        with approver.session("test") as connection, pytest.raises(Exception, match="permission denied"):
            connection.execute(statement)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
    st.sampled_from(("role", "name", "at", "fingerprint", "signature", "environment")),
)
def test_any_json_is_a_record_or_invalid(value: Any, field: str) -> None:
    """Untrusted input of any shape ends in InvalidInput."""
    for values in (value, {**to_json(approval()), field: value}):
        try:
            record = from_json(Approval, values)
        except InvalidInput:
            continue
        assert from_json(Approval, to_json(record)) == record
