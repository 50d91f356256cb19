"""The fingerprint covers everything that is approved, and differences name what has changed."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.signoff.subject import ApprovalSubject, ApprovedAttestation, ApprovedImage, differences

ATTESTED = ApprovedAttestation(5, "ann", "2026-11-28T02:00:00Z", "https://x")
SUBJECT = ApprovalSubject(
    environment={"name": "production", "namespace": "shop"},
    plan={"maintenance": "migration", "skip": [], "auto_rollback": True},
    images={"api.api": ApprovedImage.of("acme/api@sha256:1f"), "web.web": ApprovedImage.of("acme/web:2")},
    migrations={"001": "aa"},
    attestations={"reviews": ATTESTED},
)


@pytest.mark.parametrize(
    ("change", "clause"),
    (
        (
            {"environment": {"name": "staging", "namespace": "shop"}},
            "environment name was production, is staging",
        ),
        ({"plan": {**SUBJECT.plan, "skip": ["smoke"]}}, 'plan skip was none, is ["smoke"]'),
        ({"plan": {**SUBJECT.plan, "auto_rollback": False}}, "plan auto_rollback was true, is false"),
        (
            {"images": {**SUBJECT.images, "web.web": ApprovedImage.of("acme/web:3")}},
            "image web.web was acme/web:2, is acme/web:3",
        ),
        ({"images": {"api.api": SUBJECT.images["api.api"]}}, "image web.web was acme/web:2, is none"),
        ({"migrations": {"001": "bb"}}, "migration 001 was aa, is bb"),
        (
            {"attestations": {"reviews": replace(ATTESTED, value=4)}},
            "attestation reviews was 5 (ann, 2026-11-28T02:00:00Z), is 4 (ann, 2026-11-28T02:00:00Z)",
        ),
        ({"attestations": {"reviews": replace(ATTESTED, link="https://y")}}, "attestation reviews was"),
    ),
)
def test_every_part_changes_the_fingerprint_and_is_named(change: dict[str, Any], clause: str) -> None:
    """Environment, plan, images, migrations, attestations."""
    changed = replace(SUBJECT, **change)
    assert changed.fingerprint != SUBJECT.fingerprint
    [difference] = differences(SUBJECT, changed)
    assert difference.startswith(clause)
    assert differences(SUBJECT, SUBJECT) == []


def test_the_basis_of_an_attestation_is_what_was_reviewed() -> None:
    """Environment, images and migrations; not the plan, and not the other attestations."""
    assert replace(SUBJECT, plan={}, attestations={}).basis == SUBJECT.basis
    for part in ("environment", "images", "migrations"):
        assert replace(SUBJECT, **{part: {}}).basis != SUBJECT.basis


def test_the_fingerprint_does_not_depend_on_the_order() -> None:
    """Two files that say the same in another order are one subject."""
    turned = replace(SUBJECT, images=dict(reversed(list(SUBJECT.images.items()))))
    assert turned.fingerprint == SUBJECT.fingerprint
    pinned = "sha256:cbffa0bf5c077dbfa7236d8aaa1161bf350c8066d8c75322312158e5d14cb059"
    assert SUBJECT.fingerprint == pinned, "another version of cartctl must not invalidate approvals by itself"


def test_images_without_a_digest_are_named() -> None:
    """A tag may stand for another image tomorrow."""
    assert SUBJECT.movable == ["acme/web:2"]


ANY_TEXT = st.text(st.characters())  # half a character, too


@given(ANY_TEXT, ANY_TEXT)
def test_any_text_has_a_fingerprint(one: str, other: str) -> None:
    """Also half a character; different texts have different fingerprints."""
    first, second = (replace(SUBJECT, plan={"after_migrate": text}) for text in (one, other))
    assert (first.fingerprint == second.fingerprint) == (one == other)
