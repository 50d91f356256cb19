"""The scrape job that probes the critical endpoints for the second trigger, and blackbox_exporter's modules for it.

Without a token, as a shopper: the path of the session must then refuse.
"""

from typing import Any

from cartctl.monitoring.export.promql import duration
from cartctl.monitoring.export.settings import RuleSettings

EXPORTER = "127.0.0.1:9115"
WORKS, REFUSES = "cartctl_works", "cartctl_refuses"
PROBE_SECONDS = 10.0  # seconds of one probe


def scrape_job(settings: RuleSettings) -> dict[str, Any]:
    """One target per endpoint, probed as often as the monitor takes a sample."""
    every = duration(settings.every)
    return {
        "scrape_configs": [
            {
                "job_name": settings.probes_job,
                "metrics_path": "/probe",
                "scrape_interval": every,
                "scrape_timeout": duration(min(settings.every, PROBE_SECONDS)),
                "static_configs": [
                    {
                        "targets": [url],
                        "labels": {"path": name, "__param_module": REFUSES if name == "auth" else WORKS},
                    }
                    for name, url in settings.critical_paths.items()
                ],
                "relabel_configs": [
                    {"source_labels": ["__address__"], "target_label": "__param_target"},
                    {"source_labels": ["__param_target"], "target_label": "instance"},
                    {"target_label": "__address__", "replacement": EXPORTER},
                ],
            }
        ]
    }


def blackbox_modules() -> dict[str, Any]:
    """HTTP 2xx for an endpoint that works, 401 for the session without a token."""
    request = {"method": "GET", "follow_redirects": False, "preferred_ip_protocol": "ip4"}
    return {
        "modules": {
            WORKS: {"prober": "http", "timeout": duration(PROBE_SECONDS), "http": request},
            REFUSES: {
                "prober": "http",
                "timeout": duration(PROBE_SECONDS),
                "http": {**request, "valid_status_codes": [401]},
            },
        }
    }
