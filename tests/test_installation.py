"""The README's installation: the wheel with pipx and uv, then each smallest setup as a newcomer copies it."""

import os
import subprocess
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from tests.cart.test_installed_wheel import environment, pytestmark, run
from tests.web import Reply, serve

__all__ = ["environment", "pytestmark"]
ROOT = Path(__file__).parents[1]


def block(heading: str, language: str) -> str:
    """The first code block of a language below a heading."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"{heading}\n")[2]
    return text.partition(f"```{language}\n")[2].partition("```")[0]


def shell(script: str, directory: Path, programs: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run lines as a newcomer does, with the installed program first on the path."""
    home = {"HOME": str(directory), "CARTCTL_STATE_DIR": str(directory / "state")}
    return subprocess.run(
        ["bash", "-euc", script],
        cwd=directory,
        env={"PATH": f"{programs}:{os.environ['PATH']}", **home, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("tool", ("pipx", "uv"))
def test_the_wheel_installs_with(tool: str, environment: Path, tmp_path: Path) -> None:
    """Pipx and uv each install the wheel into an empty home; the program runs."""
    run(environment, "-m", "pip", "install", "-q", tool, cwd=tmp_path)
    [wheel] = environment.parents[2].glob("*.whl")
    programs = tmp_path / "bin"
    variables = {
        "PIPX_HOME": f"{tmp_path}/pipx",
        "PIPX_BIN_DIR": str(programs),
        "UV_TOOL_DIR": f"{tmp_path}/uv",
    }
    networks = (
        "PIP_",
        "UV_",
        "SSL_",
        "HTTP",
        "http",
        "NO_PROXY",
        "no_proxy",
    )  # this machine's way to its index
    settings = {name: value for name, value in os.environ.items() if name.startswith(networks)}
    line = f"pipx install {wheel}" if tool == "pipx" else f"uv tool install {wheel}"
    installed = shell(
        line, tmp_path, environment.parent, **variables, UV_TOOL_BIN_DIR=str(programs), **settings
    )
    assert installed.returncode == 0, installed.stderr
    assert run(programs / "cartctl", "--version", cwd=tmp_path).startswith("cartctl ")


def test_the_smallest_setup_for_ci(environment: Path, tmp_path: Path) -> None:
    """The suite and the line of the README, at another address."""
    heading = "### The smallest setup for CI"
    (tmp_path / "smoke.toml").write_text(block(heading, "toml"), encoding="utf-8")
    with serve(lambda _: Reply([])) as web:
        script = block(heading, "console").replace("http://localhost:3000", web.url)
        done = shell(script, tmp_path, environment.parent)
    assert done.returncode == 0, done.stderr
    assert "products" in (tmp_path / "reports/smoke.xml").read_text(encoding="utf-8")


def test_the_smallest_setup_for_a_dba(environment: Path, tmp_path: Path, platform_database: Postgres) -> None:
    """From nothing to a verified migration with the README's lines, with another DSN."""
    script = block("### The smallest setup for a DBA", "console")
    script = script.replace("postgresql://dba@localhost/shop", f"'{platform_database.dsn}'")
    done = shell(script, tmp_path, environment.parent)
    assert done.returncode == 0, done.stderr


def test_the_smallest_setup_for_devops(environment: Path, tmp_path: Path) -> None:
    """The file is valid as written; what it names is not there, which preflight says in sentences."""
    *first, preflight, plan = block("### The smallest setup for DevOps", "console").strip().split("\n")
    done = shell("\n".join(first), tmp_path, environment.parent)
    assert done.returncode == 0, done.stderr
    for line in (preflight, plan):
        refused = shell(line, tmp_path, environment.parent, CART_DSN="postgresql://127.0.0.1:1/x")
        assert refused.returncode in {2, 3, 6, 7}
        assert "Traceback" not in refused.stderr
