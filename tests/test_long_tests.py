"""The list of long tests names tests and modules that exist, each once, in order."""

import ast
from pathlib import Path

from tests.conftest import LONG_TESTS

LINES = Path(__file__).with_name("long_tests.txt").read_text().splitlines()[1:]


def test_every_line_is_a_test() -> None:
    """A test that was renamed would run with the quick ones again."""
    for file in {name.partition("::")[0] for name in LONG_TESTS}:
        functions = {
            node.name for node in ast.parse(Path(file).read_text()).body if isinstance(node, ast.FunctionDef)
        }
        listed = {name.partition("::")[2] for name in LONG_TESTS if name.startswith(f"{file}::")}
        assert listed <= functions, (file, listed - functions)
        assert not (listed and file in LONG_TESTS), f"{file} is listed as a whole"


def test_the_list_is_sorted() -> None:
    """Two branches that add lines seldom meet, and no line occurs twice."""
    assert sorted(set(LINES)) == LINES
