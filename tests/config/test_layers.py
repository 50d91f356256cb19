"""Which of several places a value is taken from."""

from datetime import timedelta
from pathlib import Path

import pytest

from cartctl.config.layers import Layers, Origin
from cartctl.config.load import load_environment, load_with_origins
from tests.config.conftest import Write

DEFAULTS = '[defaults]\nmonitor = { for = "10m", every = "5s" }\n[defaults.cluster]\nprewarm = { api = 1, web = 1 }\n'


def test_defaults_are_merged_by_key(write: Write) -> None:
    """A key of `[defaults]` stays where the environment does not name it, also inside tables."""
    write(f'{DEFAULTS}[env.dev.monitor]\nevery = "1s"\n[env.dev.cluster.prewarm]\nweb = 3\n')
    dev = load_environment(None, None)
    assert dev.monitor.for_ == timedelta(minutes=10)
    assert dev.monitor.every == timedelta(seconds=1)
    assert dev.cluster.prewarm == {"api": 1, "web": 3}


def test_lists_replace(write: Write) -> None:
    """A list of the environment replaces that of the defaults."""
    write('[defaults.cache]\nkeys = ["a", "b"]\n[env.dev.cache]\nkeys = ["c"]\n')
    assert load_environment(None, None).cache.keys == ("c",)


def test_a_secret_replaces_another(write: Write) -> None:
    """References are replaced whole: two kinds of reference never mix."""
    write('[defaults.database]\ndsn = { file = "a" }\n')
    assert str(load_environment(None, None).database.dsn) == "env:DEV_DSN"


def test_the_order_is_flag_variable_file_default(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place wins over the ones after it, and the origin says which it was."""
    write('[env.dev.monitor]\nevery = "2s"\nfor = "3m"\n')
    flags = {"--monitor-for": ("monitor.for", "9m")}
    monkeypatch.setenv("CARTCTL_MONITOR__FOR", "5m")
    monkeypatch.setenv("CARTCTL_MONITOR__MINIMUM_REQUESTS", "7")
    loaded = load_with_origins(None, None, flags)
    assert loaded.environment is not None
    assert loaded.environment.monitor.for_ == timedelta(minutes=9)
    assert loaded.environment.monitor.minimum_requests == 7
    places = {
        name: str(loaded.layers.origin(("monitor", name))) for name in ("for", "minimum_requests", "every")
    }
    assert places == {
        "for": "--monitor-for",
        "minimum_requests": "CARTCTL_MONITOR__MINIMUM_REQUESTS",
        "every": "cartctl.toml:9",
    }
    assert str(loaded.layers.origin(("expect", "total"))) == "default"


@pytest.mark.parametrize(
    ("name", "value", "read"),
    (
        ("CARTCTL_CLUSTER__PREWARM", '{"payment-api": 3}', {"payment-api": 3}),
        ("CARTCTL_CACHE__KEYS", '["x", "y"]', ("x", "y")),
        ("CARTCTL_PROTECTED", "true", True),
        ("CARTCTL_RELEASE__TIMEOUT", "90s", timedelta(seconds=90)),
    ),
)
def test_variables_of_every_kind(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: object
) -> None:
    """Tables and lists are JSON in a variable, all else as in the file."""
    write()
    monkeypatch.setenv(name, value)
    result: object = load_environment(None, None)
    for part in name.removeprefix("CARTCTL_").lower().split("__"):
        result = getattr(result, part)
    assert result == read


def test_a_secret_in_a_variable_is_a_reference(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A protected environment takes a secret from a variable, and never shows it."""
    write("[env.dev]\nprotected = true\n")
    monkeypatch.setenv("CARTCTL_DATABASE__DSN", "postgresql://u:hunter2@h/d")
    dev = load_environment(None, None)
    assert dev.database.dsn.reveal() == "postgresql://u:hunter2@h/d"
    assert str(dev.database.dsn) == "env:CARTCTL_DATABASE__DSN"
    assert "hunter2" not in repr(dev)


def test_paths_are_relative_to_the_file(
    write: Write, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file found in a directory above names its neighbours, not the working directory's."""
    write('[env.dev.database.snapshots.encrypt]\nage = "ops/recipients"\n')
    (directory / "below").mkdir()
    monkeypatch.chdir(directory / "below")
    encrypt = load_environment(None, None).database.snapshots.encrypt
    assert encrypt is not None
    assert encrypt.age == directory / "ops/recipients"


def test_a_secret_file_beside_the_configuration_is_read(write: Write, directory: Path) -> None:
    """A relative secret file is found wherever the command runs."""
    path = write("")
    path.write_text(path.read_text().replace('{ env = "DEV_DSN" }', '{ file = "dsn" }'))
    (directory / "dsn").write_text("postgresql://h/d\n")
    assert load_environment(str(path), None).database.dsn.reveal() == "postgresql://h/d"


def test_a_later_layer_forgets_the_origins_below_it() -> None:
    """A scalar over a table, and a table over it again: no key keeps the origin of a value that is gone."""
    layers = Layers()
    layers.put({"cache": {"cdn": {"zone": "a1"}}}, lambda _: Origin("file", "cartctl.toml:1"))
    layers.put({"cache": "none"}, lambda _: Origin("flag", "--cache"))
    assert layers.origin(("cache", "cdn", "zone")) == Origin("flag", "--cache")
    layers.put({"cache": {"cdn": {}}}, lambda _: Origin("variable", "CARTCTL_CACHE"))
    assert layers.values == {"cache": {"cdn": {}}}
    assert layers.origin(("cache", "cdn", "zone")) == Origin("variable", "CARTCTL_CACHE")
