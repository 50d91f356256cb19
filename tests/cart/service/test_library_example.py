"""The README's library example: it passes mypy --strict, and does what it says on a real database."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cart.store.shop import Shop

README = Path(__file__).parents[3] / "README.md"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The program of the section, as a file."""
    section = README.read_text(encoding="utf-8").partition("### Carts in a database")[2]
    result = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert result
    program = tmp_path / "example.py"
    program.write_text(result[1], encoding="utf-8")
    return program


def test_the_example_is_typed_and_short(example: Path) -> None:
    """15 lines at most, without blank ones, and no complaint of the strictest type checking."""
    assert len([line for line in example.read_text(encoding="utf-8").splitlines() if line]) <= 15
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(example)],
        capture_output=True,
        text=True,
        check=False,
        cwd=README.parent,
    )
    assert checked.returncode == 0, checked.stdout


def test_the_example_sells_a_cart(example: Path, shop: Shop) -> None:
    """It prices, converts and reads stats, and again the next day."""
    shop.run(
        """INSERT INTO companies (id, name) VALUES ('avnz', 'Avnz');
           INSERT INTO products (id, "companyId", name, category, price)
           VALUES ('avnz-product-00', 'avnz', 'Product', 'kitchen', 12.49)"""
    )
    for values in ("24.98", "49.96"):
        done = subprocess.run(
            [sys.executable, str(example)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "DATABASE_URL": shop.database.dsn, "PYTHONPATH": str(README.parent)},
        )
        assert done.stdout == f"24.98 USD {{'USD': Decimal('{values}')}}\n", done.stderr
