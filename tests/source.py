"""The package's source, read and parsed once for all tests that inspect it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def modules() -> tuple[tuple[str, str, ast.Module], ...]:
    """Every module of the package: its path, text and tree."""
    texts = (
        (path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "cartctl").rglob("*.py"))
    )
    return tuple((path, text, ast.parse(text)) for path, text in texts)
