"""Which suites `smoke` runs: files, names and the built-in one, with a configuration and without."""

from pathlib import Path

import pytest

from cartctl.checks.smoke.selection import load_suites, select
from cartctl.errors import UsageError
from tests.shell import Shell
from tests.web import Reply, Web, WebRequest, serve

SUITE = '[[request]]\nname = "products"\npath = "/api/products"\n'
OTHER = '[[request]]\nname = "orders"\npath = "/api/orders"\n'


def healthy(request: WebRequest) -> Reply:
    """Everything responds."""
    return Reply({"path": request.path})


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """An empty directory but for two suites."""
    shell = Shell(tmp_path)
    shell.write("products.toml", SUITE)
    shell.write("health.toml", OTHER)
    return shell


def names(shell: Shell, *args: str) -> list[str]:
    """The names of the results."""
    return [check["name"] for check in shell.json("smoke", *args)["checks"]]


def tokens(web: Web) -> set[str]:
    """The tokens that were sent."""
    return {request.headers.get("authorization", "") for request in web.requests}


def test_a_url_and_suites_need_no_configuration(shell: Shell) -> None:
    """In a directory without a configuration file, several suites run, and nothing but them."""
    with serve(healthy) as web:
        done = shell("smoke", "--url", web.url, "--suite", "products.toml", "--suite", "./health.toml")
        assert done.returncode == 0, done.stderr
        assert web.paths() == ["/api/products", "/api/orders"]
        listed = names(shell, "--url", web.url, "--suite", "products.toml", "--suite", "./health.toml")
    assert listed == ["products: products", "health.toml: orders"]


def test_a_url_without_a_suite_is_refused(shell: Shell) -> None:
    """The hint names both kinds of suite, and nothing is requested."""
    with serve(healthy) as web:
        done = shell("smoke", "--url", web.url)
    assert (done.returncode, web.paths()) == (2, [])
    assert "--suite FILE" in done.stderr
    assert "--suite built-in" in done.stderr


def test_the_built_in_suite_runs_on_request(shell: Shell) -> None:
    """The cart's own tests beside a suite of the user's."""
    with serve(healthy) as web:
        listed = names(shell, "--url", web.url, "--suite", "built-in", "--suite", "products.toml")
    assert listed[-1] == "products: products"
    assert {"critical", "health", "endpoints", "closed"} <= {name.partition(":")[0] for name in listed}


def test_a_token_comes_from_a_variable_alone(shell: Shell) -> None:
    """Without --env no file is read, so that no environment's token goes to an address of the command line."""
    with serve(healthy) as web:
        configured = f'[env.shop.http]\napi = "{web.url}"\ntoken = "of-the-file"\n'
        shell.write("cartctl.toml", configured)
        line = ("smoke", "--url", web.url, "--suite", "products.toml")
        shell(*line)
        assert tokens(web) == {""}
        web.requests.clear()
        shell(*line, CARTCTL_HTTP__TOKEN="of-the-variable")
        assert tokens(web) == {"Bearer of-the-variable"}
        web.requests.clear()
        shell(*line, "--env", "shop")
        assert tokens(web) == {"Bearer of-the-file"}


def test_an_environment_names_its_suites(shell: Shell) -> None:
    """Without --suite all that is configured runs; `built_in = false` leaves the cart to others."""
    with serve(healthy) as web:
        base = f'[env.shop.http]\napi = "{web.url}"\nsuites = ["products.toml", "health.toml"]\n'
        shell.write("cartctl.toml", base)
        assert len(names(shell)) > 2
        assert names(shell, "--suite", "products") == ["products: products"]
        shell.write("cartctl.toml", base + "built_in = false\n")
        assert [name.rpartition(" ")[2] for name in names(shell)] == ["products", "orders"]
        assert names(shell, "--url", web.url, "--env", "shop", "--suite", "health.toml") == [
            "health.toml: orders"
        ]


@pytest.mark.parametrize(
    ("args", "reason"),
    (
        (("--suite", "other"), "Unknown suite 'other'"),
        (("--suite", "none.toml"), "none.toml"),
        (("--suite", "."), "Unknown suite '.'"),
    ),
)
def test_an_unknown_suite_is_named(shell: Shell, args: tuple[str, ...], reason: str) -> None:
    """Exit code 2, before any request."""
    with serve(healthy) as web:
        done = shell("smoke", "--url", web.url, "--suite", "products.toml", *args)
    assert (done.returncode, web.paths()) == (2, [])
    assert reason in done.stderr


def test_two_suites_of_one_name_are_distinguished(tmp_path: Path) -> None:
    """Both are called by their paths; so is one that has the name of a built-in group."""
    paths = [tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "c.toml"]
    for path, name in zip(paths, ("shop", "shop", "critical"), strict=True):
        path.write_text(f'name = "{name}"\n{SUITE}', encoding="utf-8")
    assert [suite.name for suite in load_suites(paths)] == [str(path) for path in paths]


def test_a_file_is_taken_once(tmp_path: Path) -> None:
    """Twice on the command line, or by name and by path, is once."""
    path = Shell(tmp_path).write("shop.toml", SUITE)
    assert select(["shop", str(path), "shop"], [path], built_in=True).files == (path,)
    with pytest.raises(UsageError, match="Unknown suite"):
        select(["other"], [path], built_in=True)
