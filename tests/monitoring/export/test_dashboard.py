"""The exported Grafana dashboard: Grafana's own types, and every query on a real Prometheus with the exported rules."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cartctl.monitoring.export.documents import grafana_files, prometheus_files
from cartctl.monitoring.export.settings import RuleSettings
from tests.adapters.test_prometheus import Exporter
from tests.monitoring.export.prometheus import environment, prometheus, query, write
from tests.sandbox_fixture import wait_for
from tests.services import long, require, require_packages
from tests.web import serve

CONFIGURATION = """
monitor = { every = "1s", minimum_requests = 1 }
[env.production.metrics]
kind = "scrape"
scrape_interval = "1s"
window = "4s"
critical_paths = 'up{job="api"}'
queries = { db_connections = "process_open_fds" }
"""
TYPES = """
import { MappingType, ThresholdsMode } from '@grafana/schema';
import type { AnnotationQuery, Dashboard, DataQuery, Panel } from '@grafana/schema';
interface PromQuery extends DataQuery { expr: string }
type Annotations = { list: AnnotationQuery<PromQuery>[] };
const dashboard: Omit<Dashboard, 'annotations' | 'panels'> & { annotations: Annotations; panels: Panel[] } = %s;
export default dashboard;
"""
ENUMS = {  # strings in JSON
    '"mode": "absolute"': '"mode": ThresholdsMode.Absolute',
    '"type": "value"': '"type": MappingType.ValueToText',
}
EMPTY = ("ALERTS",)  # nothing fires


def settings_of(directory: Path, text: str = CONFIGURATION, name: str = "production") -> RuleSettings:
    """The settings of an environment."""
    return RuleSettings.of(environment(directory, text, name))


def dashboard_of(settings: RuleSettings) -> dict[str, Any]:
    """The dashboard as it is written."""
    [content] = grafana_files(settings).values()
    document: dict[str, Any] = json.loads(content)
    return document


def queries_of(document: dict[str, Any]) -> Iterator[str]:
    """Every expression that Grafana would send."""
    for panel in document["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (annotation["target"]["expr"] for annotation in document["annotations"]["list"])


def test_every_query_has_a_result_on_a_real_server(tmp_path: Path) -> None:
    """With the exported rules and an API that is scraped; only what lists fired alerts is empty."""
    settings = settings_of(tmp_path)
    [rules] = [name for name in prometheus_files(settings) if name.endswith(".rules.yaml")]
    directory = write(tmp_path / "out", prometheus_files(settings))
    exporter = Exporter()
    with serve(exporter.answer) as api:
        configuration = {
            "global": {"scrape_interval": "1s"},
            "rule_files": [str(directory / rules)],
            "scrape_configs": [
                {
                    "job_name": "api",
                    "static_configs": [{"targets": [api.url.removeprefix("http://")]}],
                }
            ],
        }
        with prometheus(tmp_path, configuration) as url:
            expressions = list(queries_of(dashboard_of(settings)))

            def empty() -> list[str]:
                exporter.serve("200")
                return [one for one in expressions if not one.startswith(EMPTY) and not query(url, one)]

            wait_for(lambda: set(empty()) <= {one for one in expressions if "db_" in one})
            for expression in expressions:
                query(url, expression)


def test_panels_do_not_overlap(tmp_path: Path) -> None:
    """Each place of the grid belongs to one panel, and every panel has a title and a number of its own."""
    panels = dashboard_of(settings_of(tmp_path))["panels"]
    places = [
        (x, y)
        for one in (panel["gridPos"] for panel in panels)
        for x in range(one["x"], one["x"] + one["w"])
        for y in range(one["y"], one["y"] + one["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)


def test_thresholds_are_those_of_the_environment(tmp_path: Path) -> None:
    """As lines of the metric's panel."""
    text = CONFIGURATION + "[env.production.thresholds]\nerror_rate = { warning = 0.02, critical = 0.07 }\n"
    panels = {panel["title"]: panel for panel in dashboard_of(settings_of(tmp_path, text))["panels"]}
    steps = panels["API error rate"]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["value"] for step in steps] == [None, 0.02, 0.07]


@pytest.mark.parametrize("name", ("production", 'a"b\\c'))
def test_environments_have_dashboards_of_their_own(tmp_path: Path, name: str) -> None:
    """The uid depends on the name, and fits Grafana's 40 characters."""
    uid = dashboard_of(settings_of(tmp_path, "", name))["uid"]
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,40}", uid)
    assert uid != dashboard_of(settings_of(tmp_path, "", "other"))["uid"]


@long
def test_the_dashboard_has_grafanas_own_types(tmp_path: Path) -> None:
    """Compiled against the types that Grafana publishes: no unknown key, no wrong value."""
    require_packages(tmp_path, "@grafana/schema@13", "typescript@5")
    text = json.dumps(dashboard_of(settings_of(tmp_path)))
    assert typed(tmp_path, text).returncode == 0, typed(tmp_path, text).stdout
    assert "TS" in typed(tmp_path, text.replace('"schemaVersion"', '"schemaVersoin"')).stdout
    assert "TS" in typed(tmp_path, text.replace('"gridPos": {"x": 0', '"gridPos": {"x": "0"')).stdout


def typed(directory: Path, text: str) -> subprocess.CompletedProcess[str]:
    """The compiler's verdict on a dashboard."""
    for given, enum in ENUMS.items():
        text = text.replace(given, enum)
    (directory / "dashboard.ts").write_text(TYPES % text, encoding="utf-8")
    compiler = directory / "node_modules/typescript/bin/tsc"
    options = (
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
    )
    return subprocess.run(
        [str(require("node")), str(compiler), *options, "dashboard.ts"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
