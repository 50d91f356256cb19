"""The exported rules, by the real promtool: their own unit tests with every kind of configuration, and odd names."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cartctl.errors import ConfigError
from cartctl.monitoring.export.documents import prometheus_files
from cartctl.monitoring.export.promql import duration
from cartctl.monitoring.export.settings import RuleSettings
from tests.monitoring.export.prometheus import environment, promtool, write

DEFAULTS = ""
SHORT = """
monitor = { every = "1s", minimum_requests = 5, blind_limit = "10s", critical_failures = 2 }
thresholds = { error_rate = { warning = 0.01, critical = 0.05, rollback_after = "5s" } }
metrics = { kind = "scrape", scrape_interval = "1s", window = "10s" }
"""
QUICK = """
monitor = { every = "5s", blind_limit = "20s", max_gap = "10s" }
thresholds = { error_rate = { warning = 0.01, critical = 0.05, rollback_after = "30s" } }
"""
OWN = """
monitor = { every = "30s", minimum_requests = 0, blind_limit = "2m", max_gap = "45s", critical_failures = 1 }
[env.production.thresholds]
db_connections = { warning = 0.5, critical = 1 }
error_rate = { warning = 0.001, critical = 0.9, rollback_after = "90s" }
[env.production.metrics]
kind = "prometheus"
url = "http://localhost"
critical_paths = 'min by (path) (my_check{ok!=""})'
[env.production.metrics.queries]
error_rate = "job:api_errors:ratio1m"
db_connections = "max(pg_stat_activity_count) / 100"
"db_connections.timestamp" = "max(timestamp(pg_stat_activity_count))"
"""


def files_of(directory: Path, text: str = "", name: str = "production") -> dict[str, bytes]:
    """What is exported for an environment."""
    return prometheus_files(RuleSettings.of(environment(directory, text, name)))


def rules_of(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """The rules of the one group."""
    [text] = [content for name, content in files.items() if name.endswith(".rules.yaml")]
    [group] = yaml.safe_load(text)["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


@pytest.mark.parametrize("text", (DEFAULTS, SHORT, OWN), ids=("defaults", "short", "own"))
def test_the_exported_unit_tests_pass(tmp_path: Path, text: str) -> None:
    """A second before, at and after the time of the trigger, gaps, NaN, thresholds, stale data and no data."""
    directory = write(tmp_path / "out", files_of(tmp_path, text))
    [tests] = directory.glob("*.tests.yaml")
    done = promtool("test", "rules", tests)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_tests_cover_the_times_of_the_trigger(tmp_path: Path) -> None:
    """With the default of five minutes: 4:59, 5:00 and 5:01 after the first breach at 0:10."""
    [text] = [content for name, content in files_of(tmp_path).items() if name.endswith(".tests.yaml")]
    first = yaml.safe_load(text)["tests"][0]
    times = {one["eval_time"]: one["exp_samples"][0]["value"] for one in first["promql_expr_test"]}
    assert times == {"5m9s": 0, "5m10s": 0, "5m11s": 1}


@pytest.mark.parametrize(
    ("before", "after"),
    (
        ("[30s1ms]", "[25s]"),
        ("offset 30s1ms", "offset 30s"),
        ("> 0.05 *", "> 0.04 *"),
        ("[30s1ms:1s667ms]) > 0", "[30s1ms:1s667ms]) >= 0"),
        ("<= 60", "<= 6000"),
        ("== 1\n", "== 0\n"),
        ("Inf", "0"),
        (">= 50", ">= 0"),
    ),
)
def test_a_wrong_rule_fails_the_unit_tests(tmp_path: Path, before: str, after: str) -> None:
    """Each part of the rules is there for a reason that a test shows."""
    files = files_of(tmp_path, QUICK)
    [name] = [name for name in files if name.endswith(".rules.yaml")]
    text = files[name].decode()
    assert before in text
    directory = write(tmp_path / "out", files | {name: text.replace(before, after).encode()})
    [tests] = directory.glob("*.tests.yaml")
    assert promtool("test", "rules", tests).returncode == 1


@pytest.mark.parametrize("name", ("production", "prod eu/1", 'a"b\\c', "{{ .Value }}", "päron", "x" * 300))
def test_every_name_of_an_environment_gives_valid_rules(tmp_path: Path, name: str) -> None:
    """Quoted in expressions, not read as a template in labels, and a name that files and Kubernetes accept."""
    files = files_of(tmp_path, name=name)
    directory = write(tmp_path / "out", files)
    [rules] = directory.glob("*.rules.yaml")
    done = promtool("check", "rules", rules)
    assert done.returncode == 0, done.stdout + done.stderr
    [manifest] = [yaml.safe_load(text) for file, text in files.items() if "prometheusrule" in file]
    assert len(manifest["metadata"]["name"]) <= 63
    assert len(next(iter(files)).encode()) <= 255


def test_the_manifest_holds_the_same_rules(tmp_path: Path) -> None:
    """A PrometheusRule in the namespace of the application."""
    files = files_of(tmp_path, 'cluster = { kind = "kubernetes", namespace = "shop" }')
    [manifest] = [yaml.safe_load(text) for file, text in files.items() if "prometheusrule" in file]
    assert (manifest["apiVersion"], manifest["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert manifest["metadata"]["namespace"] == "shop"
    assert manifest["spec"]["groups"][0]["rules"] == rules_of(files)


def test_the_same_configuration_gives_the_same_bytes(tmp_path: Path) -> None:
    """So that a repository shows what has changed."""
    assert files_of(tmp_path, OWN) == files_of(tmp_path, OWN)


def test_no_alert_uses_for(tmp_path: Path) -> None:
    """A restart would reset it; a label says who is called."""
    alerts = [rule for rule in rules_of(files_of(tmp_path)) if "alert" in rule]
    assert not [rule for rule in alerts if "for" in rule]
    assert {rule["labels"]["severity"] for rule in alerts} == {"page", "critical", "warning"}
    assert sorted(rule["alert"] for rule in alerts if "trigger" in rule["labels"]) == [
        "CartRollbackCriticalPaths",
        "CartRollbackErrorRate",
    ]


def test_own_queries_and_thresholds_are_in_the_rules(tmp_path: Path) -> None:
    """Nothing is a constant of the exporter."""
    rules = {
        rule.get("record", rule.get("alert")): rule["expr"] for rule in rules_of(files_of(tmp_path, OWN))
    }
    assert rules["cartctl:error_rate:value"] == "job:api_errors:ratio1m"
    assert rules["cartctl:error_rate:age_seconds"] == "time() - (max(timestamp(job:api_errors:ratio1m)))"
    assert ":requests" not in rules["cartctl:error_rate:decided"]
    assert "[1m30s1ms]" in rules["CartRollbackErrorRate"]
    assert 'min by (path) (my_check{ok!=""}))[29s999ms:30s]' in rules["CartRollbackCriticalPaths"]


def test_native_histograms_have_no_boundaries_to_check(tmp_path: Path) -> None:
    """The queries are those of the monitor."""
    text = 'metrics = { kind = "scrape", histograms = "native" }'
    files = files_of(tmp_path, text)
    rules = {rule.get("record"): rule["expr"] for rule in rules_of(files)}
    assert "histogram_count" in rules["cartctl:api_latency_p95:requests"]
    assert "top_bucket" not in str(rules)
    [path] = write(tmp_path / "out", files).glob("*.rules.yaml")
    assert promtool("check", "rules", path).returncode == 0


def test_connections_are_a_share_of_the_configured_pool(tmp_path: Path) -> None:
    """The application's role, and the limit of each pod that is scraped."""
    text = '[env.production.database]\ndsn = "host=localhost"\napp_role = "api"\nconnection_limit = 20\n'
    [rule] = [
        one["expr"]
        for one in rules_of(files_of(tmp_path, text))
        if one.get("record") == "cartctl:db_connections:value"
    ]
    assert rule == (
        'sum(pg_stat_activity_count{backend_type=~"|client backend", usename="api"}) / '
        "(20 * count(count by (instance) (http_requests_total)))"
    )


def test_a_query_without_an_age_is_refused(tmp_path: Path) -> None:
    """The monitor would never evaluate it either."""
    text = '[env.production.metrics]\nkind = "scrape"\nqueries = { db_connections = "1 - pool_free / pool_size" }\n'
    with pytest.raises(ConfigError, match=r"db_connections\.timestamp"):
        files_of(tmp_path, text)


@pytest.mark.parametrize(
    ("seconds", "text"), ((0, "1ms"), (0.0004, "1ms"), (300, "5m"), (5400.5, "1h30m500ms"), (86400, "24h"))
)
def test_durations_are_prometheus(seconds: float, text: str) -> None:
    """Whole units, never zero."""
    assert duration(seconds) == text
