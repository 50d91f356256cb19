"""Wrong values: one sentence each with place, full key and what is expected."""

from pathlib import Path

import pytest

from cartctl.config.load import load_environment
from cartctl.config.source import key_lines
from cartctl.errors import ConfigError
from cartctl.redaction import redact
from tests.config.conftest import Write

PROMETHEUS = '[env.dev.metrics]\nkind = "prometheus"\nurl = "https://prometheus.example"\n'
WRONG = [
    ('[env.dev.monitor]\nevry = "1s"\n', "cartctl.toml:9: `env.dev.monitor.evry` is not a known key; did you mean `every`?"),
    ('[defaults.monitor]\nevry = "1s"\n', "cartctl.toml:9: `defaults.monitor.evry` is not a known key; did you mean `every`?"),
    ("[env.dev]\nname = 'x'\n", "cartctl.toml:9: `env.dev.name` is not a known key."),
    ('[env.dev.monitor]\nevery = "1x"\n', "`env.dev.monitor.every` is not a valid duration: '1x'"),
    ("[env.dev.monitor]\nevery = 15\n", '`env.dev.monitor.every` has no unit: write "15s" or "15m"'),
    ("[env.dev.monitor]\nminimum_requests = -1\n", "must be at least 0, not -1"),
    ('[env.dev.monitor]\nminimum_requests = "many"\n', "must be a whole number, not 'many'"),
    ('[env.dev]\nmaintenance = "plann"\n', "must be 'migration', 'plan' or 'none', not 'plann'; did you mean 'plan'?"),
    ("[env.dev]\nprotected = []\n", "must be true or false, not a list"),
    ('[env.dev.cache]\nkeys = "cart:*"\n', "must be a list: [ … ], not 'cart:*'"),
    ("[env.dev]\nexpect = 3\n", "`env.dev.expect` must be a table: { … }, not 3"),
    ("[env.dev.metrics]\n", "`env.dev.metrics.kind` is missing."),
    ('[env.dev.metrics]\nkind = "prometheus"\n', '`env.dev.metrics.url` is missing, but `kind = "prometheus"` requires it.'),
    ("[env.dev.thresholds.error_rate]\nwarning = 0.1\ncritical = 0.05\n", "warning 0.1 is not below 0.05"),
    ('[env.dev.thresholds.api_latency_p95]\nwarning = "2s"\ncritical = "2s"\n', "warning 2s is not below 2s"),
    ("[env.dev.thresholds.db_connections]\nwarning = 80\ncritical = 95\n", "must be a share above 0 and up to 1, not 80"),
    ('[env.dev.window]\nfrom = "04:00"\nto = "02:00"\n', "04:00 is not before 02:00"),
    ('[env.dev.window]\nfrom = "4 am"\n', '`env.dev.window.from` must be a time of day like "02:00"'),
    ('[env.dev.window]\nfrom = "01:00+02:00"\n', "`env.dev.window.from` must not have a time zone"),
    ("[env.dev.preflight]\njunit = { '~nobody-at-all/x.xml' = 3 }\n", "names the home directory of an unknown user"),
    ('[env.dev.window]\nzone = "Mars/Base"\n', "`env.dev.window.zone` is not a known time zone: 'Mars/Base'"),
    ('[env.dev.window]\nfreeze = ["soon"]\n', "`env.dev.window.freeze.0` must be a date like 2026-12-24"),
    ('[env.dev.monitor]\nfor = "5s"\nevery = "15s"\n', "is shorter than one interval"),
    ('[env.dev.release]\ntimeout = "0s"\n', "`env.dev.release.timeout` must be longer than 0 s"),
    ('[env.dev.release]\napi = { payment-api.api = "x" }\n', "`env.dev.release.api.payment-api` must be a string; quote a key that contains a dot"),
    ('[env.dev.release]\napi = { payment-api = "x" }\n', "does not name a container"),
    ('[env.dev.release]\napi = { "a.b" = "two words" }\n', '`env.dev.release.api."a.b"` is not a valid image'),
    ('[env.dev.release]\napi = { "a.b" = "x" }\nworkers = { "a.b" = "x" }\n', "is also in `release.api`"),
    ('[env.dev.metrics]\nkind = "prometheus"\nurl = "localhost:9090"\n', "is not a valid URL: 'localhost:9090'"),
    ("[env.dev.thresholds]\nerror_rate = { warning = 0.1, critical = 0.05 }\n", "cartctl.toml:9: `env.dev.thresholds.error_rate.warning` must be below critical"),
    ("[defaults.thresholds.error_rate]\ncritical = 0.05\n[env.dev.thresholds.error_rate]\nwarning = 0.06\n", "cartctl.toml:11: `env.dev.thresholds.error_rate.warning` must be below critical: warning 0.06 is not below 0.05"),
    ('[env.dev.thresholds.api_latency_p95]\nwarning = 500\ncritical = "2s"\n', 'cartctl.toml:9: `env.dev.thresholds.api_latency_p95.warning` has no unit: write "500s" or "500m"'),
    ('[env.dev.thresholds]\nerror_rate = { warning = 0.01, critical = 0.05, rollback_after = "300" }\n', "cartctl.toml:9: `env.dev.thresholds.error_rate.rollback_after` is not a valid duration: '300'"),
    (PROMETHEUS + 'user = "u"\n', "cartctl.toml:11: `env.dev.metrics.user` requires `metrics.password`"),
    (PROMETHEUS + 'password = { env = "P" }\n', "`env.dev.metrics.password` requires `metrics.user`"),
    (PROMETHEUS + 'user = "u"\npassword = { env = "P" }\ntoken = { env = "T" }\n', "`env.dev.metrics.user` cannot be combined with `metrics.token`"),
    (PROMETHEUS + 'user = "u:v"\npassword = { env = "P" }\n', "must not contain a colon"),
    (PROMETHEUS + 'key = "k.pem"\n', "`env.dev.metrics.key` requires `metrics.certificate`"),
    (PROMETHEUS + 'key_password = { env = "P" }\n', "`env.dev.metrics.key_password` requires `metrics.certificate`"),
    (PROMETHEUS + 'headers = { "X Tenant" = "a" }\n', '`env.dev.metrics.headers."X Tenant"` is not a header that can be set'),
    (PROMETHEUS + 'headers = { Host = "a" }\n', "is not a header that can be set"),
    (PROMETHEUS + 'token = { env = "T" }\nheaders = { authorization = { env = "A" } }\n', "cannot be combined with `metrics.token`"),
    (PROMETHEUS + 'histograms = "nativ"\n', "must be 'classic' or 'native', not 'nativ'; did you mean 'native'?"),
    (PROMETHEUS + '[env.dev.metrics.queries]\neror_rate = "1"\n', "cartctl.toml:12: `env.dev.metrics.queries.eror_rate` is not the name of a query; did you mean `error_rate`?"),
    (PROMETHEUS + '[env.dev.metrics.queries]\n"error_rate.request" = "1"\n', "did you mean `error_rate.requests`?"),
    (PROMETHEUS + '[env.dev.metrics.queries]\nerror_rate = " "\n', "`env.dev.metrics.queries.error_rate` is not a query: ' '"),
    ("[env.dev]\nprotected = true\n" + PROMETHEUS + 'headers = { X-Api-Key = "hunter2" }\n', "contains the secret itself, which a protected environment refuses"),
]  # fmt: skip


def refusal() -> ConfigError:
    """The error that ends loading the file here."""
    with pytest.raises(ConfigError) as caught:
        load_environment(None, None)
    return caught.value


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_one_sentence_says_what_and_where(write: Write, text: str, expected: str) -> None:
    """A wrong value ends with exit code 2, one sentence with the file's line, and a hint."""
    write(text)
    error = refusal()
    assert expected in error.message
    assert error.message.startswith("cartctl.toml:")
    assert "\n" not in error.message
    assert error.hint
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    (
        ('kind = "kubernetes"', 'kind = "sandbox"', "`env.dev.cluster.control` is missing"),
        ('kind = "kubernetes"', 'kind = "docker"', "must be 'kubernetes' or 'sandbox', not 'docker'"),
        (
            'kind = "kubernetes"',
            'kind = "kubernetes"\nnamespace = "My Space"',
            "is not a valid namespace: 'My Space'",
        ),
        ('kind = "kubernetes"', 'kind = "kubernetes"\ncontext = ""', "`env.dev.cluster.context` is empty"),
        ('kind = "kubernetes"', 'kind = "kubernetes"\nprewarm = { api = -1 }', "must be at least 0, not -1"),
        ("https://api.example", "ftp://api.example", "is not a valid URL"),
        ("https://api.example", "https://api.example:99999", "is not a valid URL"),
        ('dsn = { env = "DEV_DSN" }', "", "`env.dev.database.dsn` is missing"),
    ),
)
def test_wrong_required_values(write: Write, old: str, new: str, expected: str) -> None:
    """What an environment cannot do without is judged as clearly."""
    path = write("")
    path.write_text(path.read_text().replace(old, new))
    assert expected in refusal().message


SECRETS = [
    'dsn = { enf = "hunter2" }',
    'dsn = ["hunter2"]',
    "dsn = 771177",
    "dsn = { env = 771177 }",
    "dsn = { env = ['hunter2'] }",
    'dsn = { env = "A", literal = "hunter2" }',
    'dsn = { file = "f", keyring = "hunter2" }',
    'dsn = "postgresql://u:hunter2@h/d"\n[env.dev]\nprotected = true',
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_wrong_secret_is_never_repeated(write: Write, secret: str) -> None:
    """Neither the sentence nor the hint nor the cause shows what may be a secret."""
    path = write("")
    path.write_text(path.read_text().replace('dsn = { env = "DEV_DSN" }', secret))
    error = refusal()
    assert "`env.dev.database.dsn" in error.message
    for message in (error.message, error.hint, repr(error), repr(error.__cause__), repr(error.__context__)):
        assert "hunter2" not in message
        assert "771177" not in message


def test_credentials_in_an_address_are_refused_unseen(write: Write) -> None:
    """A password in a URL belongs into a secret; it is not repeated."""
    path = write("")
    path.write_text(path.read_text().replace("https://api", "https://u:hunter2@api"))
    error = refusal()
    assert "contains a user name or password" in error.message
    assert "hunter2" not in error.message + error.hint


def test_a_variable_is_named_when_it_is_wrong(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the variable, not a line of the file."""
    write()
    monkeypatch.setenv("CARTCTL_MONITOR__EVERY", "1x")
    assert refusal().message.startswith(
        "The environment variable CARTCTL_MONITOR__EVERY: `monitor.every` is not a valid duration"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    (
        ("CARTCTL_DATABSE__DSN", "did you mean CARTCTL_DATABASE__DSN?"),
        ("CARTCTL_DATABASE__DNS", "`database.dns` is not a known key; did you mean `dsn`?"),
        ("CARTCTL_NAME__X", "does not match any section"),
        ("CARTCTL_EVN", "did you mean CARTCTL_ENV?"),
        ("CARTCTL_ENVIRONMENT", "did you mean CARTCTL_ENV?"),
        ("CARTCTL_CONFG", "did you mean CARTCTL_CONFIG?"),
    ),
)
def test_a_mistyped_variable_is_reported(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str, expected: str
) -> None:
    """A variable that says nothing is never passed over in silence."""
    write()
    monkeypatch.setenv(name, "x")
    assert expected in refusal().message


@pytest.mark.parametrize("name", ("CARTCTL_STATE_DSN", "CARTCTL_TOKEN", "CARTCTL_VERSION", "CARTCTL_RUN"))
def test_variables_of_the_users_own_are_accepted(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A configuration may refer to any variable, and scripts have their own."""
    write()
    monkeypatch.setenv(name, "x")
    assert load_environment(None, "dev").name == "dev"


def test_names_that_need_quotes_have_them(directory: Path) -> None:
    """An environment or key with a dot is written as TOML writes it."""
    (directory / "cartctl.toml").write_text('["env"."eu.west"]\n"time out" = 1\n')
    assert refusal().message.startswith('cartctl.toml:2: `env."eu.west"."time out"` is not a known key')


def test_the_hint_counts_the_others(write: Write) -> None:
    """One sentence, and the way to see them all."""
    write('[env.dev.monitor]\nevery = "x"\nfor = "y"\n')
    assert "1 more: cartctl config check" in refusal().hint


def test_text_in_a_string_is_no_key() -> None:
    """What looks like a key inside a multi-line string does not move the line of the real one."""
    text = "[logs]\nselector = '''\nlimit = 3\n[other]\n'''\nlimit = 4\n"
    assert key_lines(text)["logs", "limit"] == 6


def test_quoted_and_dotted_keys_have_lines() -> None:
    """Keys are read as TOML reads them."""
    lines = key_lines('["env" . dev]\na.b = 1\n"c.d" = 2\n[[list]]\ne = 3\n')
    assert lines["env", "dev", "a", "b"] == 2
    assert lines["env", "dev", "c.d"] == 3


def test_a_tenant_is_no_secret_and_a_key_is_one(write: Write) -> None:
    """The header's name decides whether its text may stand in a protected environment and is masked."""
    write("[env.dev]\nprotected = true\n" + PROMETHEUS + 'headers = { X-Scope-OrgID = "tenant-4-marker" }\n')
    assert load_environment(None, None).metrics
    assert redact("tenant-4-marker") == "tenant-4-marker"
    write(PROMETHEUS + 'headers = { X-Api-Key = "key-4-marker-5" }\n')
    assert load_environment(None, None).metrics
    assert redact("x key-4-marker-5 y") == "x *** y"
