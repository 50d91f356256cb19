"""The flags' document: what is read back, what is left alone, what is refused."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.cluster import SettingsChanged
from cartctl.adapters.flag_store import FileFlags, FlagsUnwritable
from cartctl.engine.evidence import ModifiedExternally
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed
from cartctl.rollout.document import (
    EVALUATOR,
    BrokenDocument,
    Setting,
    parse,
    put_in,
    read_setting,
    render,
    write,
)
from cartctl.rollout.evaluation import Evaluation, NotEvaluated
from cartctl.rollout.flag_names import FLAGS
from cartctl.steps.flags import Flags, names_in, off

THEIRS = {
    "flags": {
        "OTHER": {
            "state": "ENABLED",
            "variants": {"a": 1, "b": 2},
            "defaultVariant": "a",
            "targeting": {"$ref": "theirs"},
        }
    },
    "$evaluators": {"theirs": {"if": [True, "b", "a"]}},
    "metadata": {"team": "search"},
}


def flags(path: Path, setting: Setting) -> Flags:
    """The step that moves a file to a setting."""
    store = FileFlags(path)
    return Flags(
        "flags", names_in(store), store, lambda before: {name: render(setting)[name] for name in before}
    )


def test_what_belongs_to_others_stays(tmp_path: Path) -> None:
    """There and back: other teams' flags, evaluators and metadata are as they were, and so is the whole document."""
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(THEIRS))
    step = flags(path, Setting(Decimal(10), cohort=("acme",)))
    before = step.observe(step.names)
    step.move(step.target(before), Pulse())
    written = json.loads(path.read_text())
    assert written["flags"]["OTHER"] == THEIRS["flags"]["OTHER"]  # type: ignore[index]
    assert (written["$evaluators"]["theirs"], written["metadata"]) == (
        {"if": [True, "b", "a"]},
        {"team": "search"},
    )
    assert Evaluation(written).on(FLAGS[0], "acme")
    step.move(before, Pulse())
    assert json.loads(path.read_text()) == THEIRS


def test_a_change_of_others_in_between_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes another flag between our reading and our writing: both changes are there."""
    path = tmp_path / "flags.json"
    path.write_text("{}")
    step = flags(path, Setting(Decimal(10), cohort=("acme",)))
    real, calls = FileFlags.write, []

    def late(store: FileFlags, text: str, plain: Any, *, expected: str | None) -> None:
        calls.append(expected)
        if len(calls) == 1:
            path.write_text(json.dumps(THEIRS))
        real(store, text, plain, expected=expected)

    monkeypatch.setattr(FileFlags, "write", late)
    step.move(step.target(step.observe(step.names)), Pulse())
    assert set(json.loads(path.read_text())["flags"]) == {"OTHER", *FLAGS}
    assert len(calls) == 2


def test_a_change_of_ours_in_between_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sets one of our flags between our reading and our writing: refused, and theirs stays."""
    path = tmp_path / "flags.json"
    path.write_text("{}")
    step = flags(path, Setting(Decimal(10)))
    theirs = json.dumps({"flags": {FLAGS[1]: {"state": "DISABLED", "variants": {"on": True}}}})

    def late(*_: Any, **__: Any) -> None:
        path.write_text(theirs)
        raise SettingsChanged("changed")

    monkeypatch.setattr(FileFlags, "write", late)
    with pytest.raises(ModifiedExternally, match=FLAGS[1]):
        step.move(step.target(step.observe(step.names)), Pulse())
    assert path.read_text() == theirs


@pytest.mark.parametrize(
    "text",
    ("", "{", '{"flags": {"A": {"state": "ENAB', "[]", '{"flags": 3}', "null", '{"flags": ' + "[" * 100_000),
    ids=lambda text: text[:20] or "empty",
)
def test_a_document_that_is_broken_is_named_and_left_alone(tmp_path: Path, text: str) -> None:
    """A text that is no document, or half of one, ends with its place in the sentence, and is not written over."""
    path = tmp_path / "flags.json"
    path.write_text(text)
    step = flags(path, Setting())
    with pytest.raises(BrokenDocument, match=r"flags\.json"):
        step.move(dict.fromkeys(step.names), Pulse())
    assert path.read_text() == text


@pytest.mark.parametrize(
    "junk",
    (
        True,
        "on",
        [1],
        {},
        {"state": "ENABLED"},
        {"state": "ENABLED", "variants": [1], "defaultVariant": "on"},
        {"state": "ENABLED", "variants": {"on": True}, "defaultVariant": "on", "targeting": {"/": [1, 0]}},
        {"state": "ENABLED", "variants": {"on": True}, "defaultVariant": "on", "targeting": {"$ref": "none"}},
        {"metadata": {"set": "by hand"}},
    ),
    ids=repr,
)
def test_a_flag_that_is_no_definition_is_refused_and_an_abort_writes_over_it(
    tmp_path: Path, junk: Any
) -> None:
    """Whatever stands where one of our flags should: no bug, but a sentence; to 0 % it is replaced as a whole."""
    path = tmp_path / "flags.json"
    path.write_text(json.dumps({"flags": {FLAGS[0]: junk}}))
    step = flags(path, Setting(internal=("avnz",)))
    before = step.observe(step.names)
    assert read_setting(before) is None
    with pytest.raises(NotEvaluated, match=r"cannot parse|evaluated"):
        Evaluation(json.loads(path.read_text())).on(FLAGS[0], "acme")
    with pytest.raises(StepFailed, match="no on and off variants"):
        off(())({FLAGS[0]: junk})
    step.move(step.target(before), Pulse())
    written = Evaluation(json.loads(path.read_text()))
    assert (written.on(FLAGS[0], "acme"), written.on(FLAGS[0], "avnz")) == (False, True)


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Nobody's rights in a folder that only others may write."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Without the right to write nothing is written, and the reason is said."""
    path = tmp_path / "flags.json"
    path.write_text("{}")
    with (
        without_rights(tmp_path),
        pytest.raises(FlagsUnwritable, match="cannot be written: Permission denied"),
    ):
        FileFlags(path).write('{"flags": {}}', {}, expected="{}")
    assert path.read_text() == "{}"
    path.unlink()
    path.mkdir()
    with pytest.raises(FlagsUnwritable, match="is a directory"):
        FileFlags(path).read()


def test_the_largest_document_a_configmap_takes() -> None:
    """Ten thousand companies by list fit into a ConfigMap; a hundred thousand are refused with the way out."""
    few = Setting(Decimal(50), cohort=tuple(f"cmpny{number:020}" for number in range(10_000)))
    text = write(put_in({}, render(few)), "cart-flags/flags.json")
    assert len(text.encode()) < 1024 * 1024
    many = Setting(Decimal(50), cohort=tuple(f"cmpny{number:020}" for number in range(100_000)))
    with pytest.raises(StepFailed, match="is 1 MiB") as refused:
        write(put_in({}, render(many)), "cart-flags/flags.json")
    assert "fractional" in refused.value.hint


def test_ids_that_libraries_mistake_in_an_evaluator_stand_in_the_flags() -> None:
    """An id with a backslash, a quote or a letter beyond ASCII is evaluated as it is."""
    odd = ("a\\1b", 'say "hi"', "é", "$1", "東京")
    values = render(Setting(Decimal(1), cohort=odd))
    assert values[EVALUATOR] is None
    result = Evaluation(put_in({}, values))
    assert all(result.on(FLAGS[2], one) for one in odd)
    assert not result.on(FLAGS[2], "a")


def test_values_changed_by_hand_are_not_ours() -> None:
    """A rule that somebody has edited is not taken for the setting it was."""
    values = render(Setting(Decimal(25), "fractional"))
    assert read_setting(values) is not None
    values[EVALUATOR]["if"][4] = "on"
    assert read_setting(values) is None


def test_off_is_off_for_all_but_the_internal_companies() -> None:
    """What a rollback moves to: each flag that is defined is off, also one that was disabled or on by default."""
    before = {**render(Setting(Decimal(100))), FLAGS[1]: None}
    before[FLAGS[2]] = {"state": "DISABLED", "variants": {"yes": True, "no": False}, "defaultVariant": "yes"}
    to = off(("avnz",))(before)
    assert (to[FLAGS[1]], to[EVALUATOR], to[f"plain/{FLAGS[0]}"]) == (None, None, "false")
    result = Evaluation(put_in({}, to))
    assert [result.on(flag, "avnz") for flag in FLAGS] == [True, False, True]
    assert not any(result.on(flag, "acme") for flag in FLAGS)


def test_parse_reports_line_and_column() -> None:
    """Where a document breaks off is said."""
    with pytest.raises(BrokenDocument, match="line 2 column"):
        parse('{"flags":\n x}', "cart-flags/flags.json")
