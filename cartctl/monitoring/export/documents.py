"""The exported files, as text."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import yaml

from cartctl.config.model.environment import Environment
from cartctl.derived_names import LOCAL_FILE, POD, fit_name
from cartctl.monitoring.export.alertmanager import alertmanager_example
from cartctl.monitoring.export.alerts import alerting_rules
from cartctl.monitoring.export.dashboard import dashboard
from cartctl.monitoring.export.probes import blackbox_modules, scrape_job
from cartctl.monitoring.export.promql import duration
from cartctl.monitoring.export.records import recording_rules
from cartctl.monitoring.export.rule_tests import rule_tests
from cartctl.monitoring.export.settings import RuleSettings

WRITTEN = "# Written by `cartctl monitor export`: change the configuration and export again, not this file.\n"
TEXTS = {
    "rules": "# Recording and alerting rules. Check them: promtool check rules FILE\n",
    "prometheusrule": "# The same rules for the Prometheus Operator. Add the labels that spec.ruleSelector of your Prometheus selects.\n",
    "tests": "# Unit tests of the rules: promtool test rules FILE\n",
    "alertmanager": "# An example: merge route, inhibit_rules and receivers into your configuration. Check it: amtool check-config FILE\n",
    "probes": "# The scrape job of the critical endpoints, for blackbox_exporter: merge it into your configuration.\n",
    "blackbox": "# The modules of blackbox_exporter that the scrape job refers to: merge them into its configuration.\n",
}


class Form(StrEnum):
    """Which files."""

    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"


def exported_documents(form: Form, env: Environment) -> dict[str, bytes]:
    """Each file's content by its name. The same configuration gives the same bytes. Raises ConfigError."""
    settings = RuleSettings.of(env)
    return prometheus_files(settings) if form is Form.PROMETHEUS else grafana_files(settings)


def prometheus_files(settings: RuleSettings) -> dict[str, bytes]:
    """Each file's content by its name. The same settings give the same bytes."""
    names = {kind: _file(settings, f".{kind}.yaml") for kind in TEXTS}
    documents: dict[str, Mapping[str, Any]] = {
        "rules": {"groups": [group(settings)]},
        "prometheusrule": _manifest(settings),
        "tests": rule_tests(settings, names["rules"]),
        "alertmanager": alertmanager_example(settings),
        "probes": scrape_job(settings),
        "blackbox": blackbox_modules(),
    }
    return {names[kind]: _text(kind, document) for kind, document in documents.items()}


def grafana_files(settings: RuleSettings) -> dict[str, bytes]:
    """The dashboard."""
    return {
        _file(settings, ".dashboard.json"): (
            json.dumps(dashboard(settings), indent=2, ensure_ascii=False) + "\n"
        ).encode()
    }


def group(settings: RuleSettings) -> dict[str, Any]:
    """All rules of an environment: one group, so that they are evaluated one after another at one time."""
    return {
        "name": f"cartctl-{settings.env}",
        "interval": duration(settings.every),
        "rules": [*recording_rules(settings), *alerting_rules(settings)],
    }


def _file(settings: RuleSettings, ending: str) -> str:
    return fit_name(f"cartctl-{settings.env}", LOCAL_FILE, ending)


def _manifest(settings: RuleSettings) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": fit_name(f"cartctl-{settings.env}", POD)}
    if settings.namespace:
        metadata["namespace"] = settings.namespace
    metadata["labels"] = {"app.kubernetes.io/name": "cartctl"}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata,
        "spec": {"groups": [group(settings)]},
    }


def _text(kind: str, document: Mapping[str, Any]) -> bytes:
    dumped = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return f"{WRITTEN}{TEXTS[kind]}{dumped}".encode()


class _Dumper(yaml.SafeDumper):
    """Expressions of several lines keep their lines; no anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Repeat what occurs twice."""
        return True


def _lines(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _lines)
