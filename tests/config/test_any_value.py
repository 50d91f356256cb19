"""Whatever a file says, it is read or refused in sentences: never an exception of another kind, never a secret."""

import copy
import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartctl.config.load import Loaded, load_table
from cartctl.config.problems import as_error
from cartctl.config.source import Source, key_lines

PRODUCTION = Path(__file__).parents[1] / "cases/config/production.toml"
TEXT = PRODUCTION.read_text(encoding="utf-8")
MARKER = "hunter2"
VALUES: tuple[Any, ...] = (
    0, -1, 3.5, float("nan"), float("inf"), 10**30, True, "", " ", MARKER, "\x00", "é" * 300, [], [[]], [1, "a"],
    {}, {"a": {}}, {"env": MARKER, "file": "x"}, {"": 1}, [{"literal": MARKER}],
    dt.date(2026, 1, 1), dt.time(2), dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
)  # fmt: skip


def paths(tree: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key path of a tree, tables included."""
    if not isinstance(tree, dict):
        return []
    here = [(*above, key) for key in tree]
    return [*here, *(path for key, value in tree.items() for path in paths(value, (*above, key)))]


DOCUMENT = tomllib.loads(TEXT)
LINES = key_lines(TEXT)
EXAMPLE = DOCUMENT["env"]["production"]
PATHS = paths(EXAMPLE)


def load(path: tuple[str, ...], value: Any) -> Loaded:
    """The example with one value replaced."""
    document = copy.deepcopy(DOCUMENT)
    table = document["env"]["production"]
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    return load_table(Source(PRODUCTION, document, LINES), "production", "production")


def judge(loaded: Loaded) -> None:
    """Either there is an environment, or each problem is a sentence on one line."""
    assert (loaded.environment is None) == bool(loaded.problems)
    for problem in loaded.problems:
        sentence = problem.sentence(loaded.layers, loaded.name)
        assert "\n" not in sentence
        assert "`" in sentence
        assert len(sentence) < 400
    if loaded.problems:
        assert as_error(list(loaded.problems), loaded.layers, loaded.name).hint


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_any_wrong_value_is_read_or_refused(path: tuple[str, ...]) -> None:
    """Each key of the whole example with values of every kind: no exception but ours."""
    for value in VALUES:
        judge(load(path, value))


SECRETS = [path for path in PATHS if path[-1] in {"dsn", "state", "token", "redis"}]


@pytest.mark.parametrize("path", SECRETS, ids=".".join)
def test_no_wrong_secret_is_repeated(path: tuple[str, ...]) -> None:
    """Whatever stands where a secret should, no sentence quotes it."""
    for value in (
        MARKER,
        [MARKER],
        {"envv": MARKER},
        {"env": [MARKER]},
        {"file": {MARKER: 1}},
        {"literal": MARKER},
    ):
        loaded = load(path, value)
        assert loaded.problems
        assert all(
            MARKER not in problem.sentence(loaded.layers, loaded.name) + problem.hint
            for problem in loaded.problems
        )


TREES = st.recursive(
    st.one_of(st.integers(), st.text(max_size=8), st.booleans(), st.floats()),
    lambda below: st.one_of(
        st.lists(below, max_size=3), st.dictionaries(st.text(max_size=8), below, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, database=None)
@given(path=st.sampled_from(PATHS), value=TREES)
def test_random_trees_are_read_or_refused(path: tuple[str, ...], value: Any) -> None:
    """The same for trees that nobody thought of."""
    judge(load(path, value))


@settings(max_examples=200, deadline=None, database=None)
@given(text=st.text(max_size=200))
def test_lines_are_found_in_any_text(text: str) -> None:
    """The scan for lines takes any text, TOML or not."""
    assert all(line >= 1 for line in key_lines(text).values())
