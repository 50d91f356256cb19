"""Every setting that may hold a secret takes a reference, is known to the filter, and is shown by its place alone."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from cartctl.config.keys import bare, is_reference, keys_of
from cartctl.config.load import load_environment
from cartctl.config.model.environment import Environment
from cartctl.config.rules import secrets_of
from cartctl.config.values import Address
from cartctl.errors import ConfigError
from cartctl.redaction import redact
from tests.config.conftest import Write

WHOLE = """
[env.all]
notify = {notify}
[env.all.database]
dsn = {dsn}
state = {state}
[env.all.database.snapshots]
url = {url}
[env.all.database.snapshots.command]
create = ["true"]
status = ["true"]
environment = {{ TOOL_KEY = {tool} }}
[env.all.cluster]
kind = "sandbox"
control = "http://127.0.0.1:1"
secret = {secret}
[env.all.release]
after_migrate = ["true"]
environment = {{ HOOK_KEY = {hook} }}
[env.all.http]
api = "https://api.example"
token = {token}
[env.all.metrics]
kind = "prometheus"
url = {metrics}
token = {metrics_token}
headers = {{ X-Scope-OrgID = {header} }}
certificate = "cartctl.pem"
key_password = {key_password}
[env.all.cache]
redis = {redis}
[env.all.cache.cdn]
kind = "cloudflare"
zone = "z"
token = {cdn}
url = {cdn_url}
headers = {{ Purge-Key = {cdn_header} }}
[env.all.logs]
command = ["true"]
environment = {{ LOGS_KEY = {logs} }}
[env.all.preflight]
commands = [["true"]]
environment = {{ TEST_KEY = {preflight} }}
[env.basic.http]
api = "https://api.example"
[env.basic.metrics]
kind = "prometheus"
url = "https://prometheus.example"
user = "cartctl"
password = {password}
"""
VALUES = {  # of each: the whole value, and the part of it that nobody may see
    "notify": ("https://hooks.example/services/{}", "Notify4Marker"),
    "dsn": ("postgresql://u:{}@h/d", "Dsn4Marker"),
    "state": ("host=h dbname=d password={}", "State4Marker"),
    "url": ("s3://key:{}@bucket/path", "Url4Marker"),
    "tool": ("{}", "Tool4Marker"),
    "secret": ("{}", "Secret4Marker"),
    "hook": ("{}", "Hook4Marker"),
    "token": ("{}", "Token4Marker"),
    "metrics": ("https://u:{}@prometheus.example", "Metrics4Marker"),
    "metrics_token": ("{}", "MetricsToken4Marker"),
    "header": ("{}", "Header4Marker"),
    "key_password": ("{}", "KeyPassword4Marker"),
    "password": ("{}", "Password4Marker"),
    "redis": ("redis://:{}@h:6379/0", "Redis4Marker"),
    "cdn": ("{}", "Cdn4Marker"),
    "cdn_url": ("https://u:{}@cdn.example/purge", "CdnUrl4Marker"),
    "cdn_header": ("{}", "CdnHeader4Marker"),
    "logs": ("{}", "Logs4Marker"),
    "preflight": ("{}", "Preflight4Marker"),
}


def settings_that_may_hold_secrets(model: type[BaseModel] = Environment, above: str = "") -> Iterator[str]:
    """The key paths of all references in the model; of a table or list of them, the table's own."""
    for key, annotation in keys_of(model).items():
        path, held = f"{above}{key}", bare(annotation)
        if is_reference(held) or any(map(is_reference, get_args(held))):
            yield path
        elif isinstance(held, type) and issubclass(held, BaseModel):
            yield from settings_that_may_hold_secrets(held, f"{path}.")


def filled(how: Any) -> str:
    """The whole configuration, each secret written by `how` from its name and value."""
    messages = {name: how(name, form.format(marker)) for name, (form, marker) in VALUES.items()}
    return WHOLE.format(**{**messages, "notify": f"[{messages['notify']}]"})


@pytest.fixture(params=("env", "file", "literal"))
def loaded(
    request: pytest.FixtureRequest, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> list[Environment]:
    """The environments, their secrets given in one of the ways: a header's only by reference, since its text is no secret."""

    def how(name: str, value: str) -> str:
        if request.param == "env":
            monkeypatch.setenv(f"X_{name.upper()}", value)
            return f'{{ env = "X_{name.upper()}" }}'
        if request.param == "file":
            (tmp_path / name).write_text(value + "\n")
            return f'{{ file = "{tmp_path / name}" }}'
        if name == "header":
            monkeypatch.setenv("X_HEADER", value)
            return '{ env = "X_HEADER" }'
        return json.dumps(value)

    write(filled(how))
    return [load_environment(None, "all"), load_environment(None, "basic")]


def test_every_such_setting_is_in_this_file(loaded: list[Environment]) -> None:
    """A new one cannot be forgotten: the model's own list is the list of what is tried here."""
    tried = [".".join(path) for each in loaded for path, _ in secrets_of(each)]
    tried.remove("metrics.url")  # of the second, without credentials
    known = set(settings_that_may_hold_secrets())
    assert {next(name for name in known if f"{path}.".startswith(f"{name}.")) for path in tried} == known
    assert len(tried) == len(VALUES)


def test_each_is_resolved_and_then_masked(loaded: list[Environment]) -> None:
    """Read where it is, known to the filter from then on, and never its own text form."""
    for value, secret in ((secret.reveal(), secret) for each in loaded for _, secret in secrets_of(each)):
        if value == "https://prometheus.example":
            continue
        marker = next(marker for _, marker in VALUES.values() if marker in value)
        assert marker not in redact(f"before {value} after {marker}") + str(secret) + repr(secret)


def test_a_literal_address_is_shown_without_its_credentials() -> None:
    """A path or bucket that is no secret stays readable."""
    assert str(Address(literal="/var/backups")) == "/var/backups"
    assert str(Address(literal="s3://bucket/x")) == "s3://bucket/x"
    assert str(Address(literal="s3://key:Marker4x@bucket/x")) == "s3://key:***@bucket/x"
    assert not Address(literal="s3://bucket/x").exposes


@pytest.mark.parametrize(
    "argv",
    (
        '["psql", "postgresql://u:hunter2@h/d"]',
        '["tool", "--password=hunter2"]',
        '["curl", "-H", "Authorization: Bearer hunter2hunter2"]',
    ),
)
def test_a_secret_in_a_command_line_is_refused(write: Write, argv: str) -> None:
    """Everybody on the machine can read it there."""
    path = write(f"[env.dev.release]\nafter_migrate = {argv}\n")
    with pytest.raises(ConfigError, match="process list") as caught:
        load_environment(str(path), "dev")
    assert "hunter2" not in caught.value.message + caught.value.hint
