"""The public names of the cart library: each exists, is typed, and is imported only when it is used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import cartctl.cart as library

SOURCE = Path(library.__file__)


def typed_names() -> set[str]:
    """The names that a type checker sees."""
    block = next(
        node for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body if isinstance(node, ast.If)
    )
    return {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_every_public_name_is_importable_and_typed() -> None:
    """What `__all__` lists, a program imports and a type checker knows, and nothing else."""
    module = importlib.import_module("cartctl.cart")
    assert all(getattr(module, name).__doc__ for name in module.__all__)
    assert set(module.__all__) == typed_names()
    assert dir(module) == sorted(module.__all__)
    assert (SOURCE.parent / "py.typed").exists()


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public fails as that of any module does."""
    assert not hasattr(library, "nonsense")


def test_importing_the_library_loads_none_of_its_modules() -> None:
    """The package loads no module of its own and no SQLAlchemy until a name is used."""
    code = "import sys, cartctl.cart; print([n for n in sys.modules if n.startswith(('cartctl.cart.', 'sqlalchemy'))])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
