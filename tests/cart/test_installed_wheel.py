"""The cart as a library: the wheel, installed without extras into an empty environment, as the README uses it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(not os.environ.get("CARTCTL_WHEEL"), reason="installs packages: make wheel"),
    pytest.mark.timeout(900),
]


def run(*command: str | Path, cwd: Path) -> str:
    """A program's output, which must succeed."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an empty environment with the wheel and what it requires, in the locked versions."""
    place = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        place,
        ROOT,
        cwd=place,
    )
    pins = re.findall(
        r"^[\w.-]+==[^\\\n]+", (ROOT / "requirements/sandbox.lock").read_text(encoding="utf-8"), re.MULTILINE
    )
    (place / "pins.txt").write_text("\n".join(pins), encoding="utf-8")
    run(sys.executable, "-m", "venv", place / "venv", cwd=place)
    python = place / "venv/bin/python"
    [wheel] = place.glob("*.whl")
    run(python, "-m", "pip", "install", "-q", "-c", place / "pins.txt", wheel, cwd=place)
    return python


def readme(language: str, heading: str) -> str:
    """The first code block of a language below a heading of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    return text.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_readme_example_is_typed_and_runs(environment: Path, tmp_path: Path) -> None:
    """`mypy --strict` accepts the example against the installed package, and it prints what the README says."""
    (tmp_path / "example.py").write_text(readme("python", "As a library"), encoding="utf-8")
    document = readme("console", "Price a cart").partition("$ cat cart.json\n")[2].partition("$ ")[0]
    (tmp_path / "cart.json").write_text(document, encoding="utf-8")
    run(
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        environment,
        "example.py",
        cwd=tmp_path,
    )
    assert run(environment, "example.py", cwd=tmp_path) == readme("text", "As a library")


def test_every_public_name_is_there_without_extras(environment: Path, tmp_path: Path) -> None:
    """Each name of `cartctl.cart` and the help of `cartctl` need no extra; the sandbox says which one it needs."""
    names = (
        "from cartctl import cart; [getattr(cart, name) for name in cart.__all__]; print(len(cart.__all__))"
    )
    assert int(run(environment, "-c", names, cwd=tmp_path)) > 0
    program = environment.with_name("cartctl")
    assert run(program, "--help", cwd=tmp_path).startswith("Usage: cartctl")
    refused = subprocess.run(
        [program, "sandbox", "up"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"CARTCTL_STATE_DIR": str(tmp_path / "state")},
    )  # fmt: skip
    assert refused.returncode == 2
    assert "cartctl[sandbox]" in refused.stderr
