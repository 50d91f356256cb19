"""The sandbox's parts that need no process: what a rollout does next, watched files, images, names."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.errors import ConfigError, UsageError
from cartctl.sandbox.data.seed import companies
from cartctl.sandbox.images import IMAGES, digest, resolve
from cartctl.sandbox.layout import checked_directory
from cartctl.sandbox.service.watched import Watched
from cartctl.sandbox.supervisor.model import Pod, Spec, first_specs
from cartctl.sandbox.supervisor.rollout import decide
from cartctl.sandbox.supervisor.settings import Settings
from cartctl.sandbox.up import up


def spec(replicas: int, revision: int = 2, *, paused: bool = False) -> Spec:
    """A deployment whose newest template is `revision`."""
    made = first_specs("2026-01-01T00:00:00+00:00")["payment-api"]
    made.replicas, made.paused, made.history[-1].number = replicas, paused, revision
    return made


def pod(revision: int, *, ready: bool = True, ending: float | None = None) -> Pod:
    """A pod of one template."""
    return Pod("p", "payment-api", "api", "1.0.0", revision, ready=ready, ending=ending)


def test_a_rollout_makes_one_more_first() -> None:
    """With every old pod ready, one new pod is made and none goes."""
    assert decide(spec(2), [pod(1), pod(1)]).make == 1
    assert decide(spec(2), [pod(1), pod(1)]).end == ()


def test_an_old_pod_goes_when_a_new_one_is_ready() -> None:
    """One ready too many: one old pod goes. A new pod that is not ready frees nobody."""
    old, other = pod(1), pod(1)
    assert decide(spec(2), [old, other, pod(2)]).end == (old,)
    assert decide(spec(2), [old, other, pod(2, ready=False)]).end == ()


def test_a_broken_old_pod_goes_at_once() -> None:
    """An old pod that is not ready serves nobody and goes first."""
    broken = pod(1, ready=False)
    assert decide(spec(2), [pod(1), broken]).end == (broken,)


def test_paused_keeps_the_template() -> None:
    """A paused deployment makes no pod of a new template and ends none of the old."""
    moves = decide(spec(2, paused=True), [pod(1), pod(1)])
    assert (moves.make, moves.end) == (0, ())


states = st.lists(st.tuples(st.sampled_from([1, 2]), st.booleans()), max_size=8)


@given(replicas=st.integers(0, 6), existing=states)
def test_available_never_falls_below_what_is_requested(
    replicas: int, existing: list[tuple[int, bool]]
) -> None:
    """Whatever runs, ending pods takes no ready pod that is needed, and never more than the surge is made."""
    pods = [pod(revision, ready=ready) for revision, ready in existing]
    moves = decide(spec(replicas), pods)
    left = [one for one in pods if one not in moves.end]
    assert sum(one.up for one in left) >= min(replicas, sum(one.up for one in pods))
    assert len(left) + moves.make <= max(len(left), replicas + max(1, -(-replicas // 4)))


@given(replicas=st.integers(0, 6), existing=states)
def test_a_rollout_comes_to_its_end(replicas: int, existing: list[tuple[int, bool]]) -> None:
    """Made pods becoming ready, every rollout ends with exactly the pods asked for, of the newest template."""
    pods = [pod(revision, ready=ready) for revision, ready in existing]
    for _ in range(40):
        moves = decide(spec(replicas), pods)
        pods = [one for one in pods if one not in moves.end] + [pod(2) for _ in range(moves.make)]
        for one in pods:
            one.ready = one.ready or one.revision == 2
    assert [one.revision for one in pods] == [2] * replicas


def test_digests_are_stable_and_differ() -> None:
    """Every version has a digest of its own, by which it is found."""
    assert len({digest(version) for version in IMAGES}) == len(IMAGES)
    assert all(
        resolve(digest(version)) == resolve(f"{version}@{digest(version)}") == version for version in IMAGES
    )
    assert digest("2.0.0") == "sha256:04309ce23522ec0380affa70ab3366c26ddbc15171a0be8cb8e511ae628d5b8d"
    assert [resolve(ref) for ref in ("3.0.0", "", "sha256:00", "latest@sha256:00")] == [None] * 4


def test_a_watched_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Present text wins, missing or malformed text is the default, and each malformed text is told once."""
    messages: list[str] = []
    watched = Watched(tmp_path / "number", int, 0, messages.append)
    assert watched.get() == 0
    (tmp_path / "number").write_text("41")
    assert watched.get() == 41
    (tmp_path / "number").write_text("many")
    assert [watched.get(), watched.get()] == [0, 0]
    assert len(messages) == 1
    (tmp_path / "number").unlink()
    assert watched.get() == 0


def test_settings_refuse_a_write_on_an_old_reading(tmp_path: Path) -> None:
    """A write that names an older version changes nothing."""
    settings = Settings(tmp_path)
    assert settings.write("c", {"a": "1"}, 0)
    assert not settings.write("c", {"a": "2"}, 0)
    assert settings.read("c") == ({"a": "1"}, 1)


@pytest.mark.parametrize("name", ("", "Big", "a/b", "..", "-x", "x" * 41, "ü"))
def test_a_bad_name_is_a_usage_error(name: str) -> None:
    """A name that is no plain word is refused before anything is made."""
    with pytest.raises(UsageError, match="Invalid sandbox name"):
        checked_directory(name)


def test_companies_are_always_the_same() -> None:
    """Forty companies with the internal one first, some of them beta, every id once."""
    known = companies()
    assert (len(known), known[0].id) == (40, "avnz")
    assert len({company.id for company in known}) == 40
    assert sum(company.beta for company in known) == 10
    assert known == companies()


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the packages of the extra are missing, one sentence names them, and nothing is made."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path))
    monkeypatch.setattr("cartctl.sandbox.up.EXTRA", ("uvicorn", "no_such_package"))
    with pytest.raises(ConfigError, match="not installed: no_such_package") as refused:
        up("default", lambda _: None)
    assert "cartctl[sandbox]" in refused.value.hint
    assert list(tmp_path.iterdir()) == []
