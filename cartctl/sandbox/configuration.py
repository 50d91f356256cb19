"""The sandbox's own `cartctl.toml`: an ordinary environment, with short durations."""

from typing import Any

from cartctl.private_files import write_private
from cartctl.sandbox.layout import Layout
from cartctl.sandbox.names import APP, OWNER

RELEASE = "2.0.0"
REMARK = "Written by `cartctl sandbox up`; durations are short so that the plan can be watched."


def write_configuration(
    layout: Layout, *, dsn: str, control: int, ports: dict[str, int], prometheus: str | None
) -> None:
    """Write the file for the environment `sandbox`, unless it already has this content."""
    import tomlkit  # from the extra `sandbox`, whose absence was reported before

    document = tomlkit.document()
    document.add(tomlkit.comment(REMARK))
    document["default_env"] = "sandbox"
    document["env"] = {"sandbox": _environment(layout, dsn, control, ports, prometheus)}
    text = tomlkit.dumps(document)
    if not layout.config.exists() or layout.config.read_text(encoding="utf-8") != text:
        write_private(layout.config, text)


def _environment(
    layout: Layout, dsn: str, control: int, ports: dict[str, int], prometheus: str | None
) -> dict[str, Any]:
    metrics = {"kind": "prometheus", "url": prometheus} if prometheus else {"kind": "scrape"}
    return {
        "monitor": {"for": "15s", "every": "1s", "minimum_requests": 5, "blind_limit": "10s"},
        "thresholds": {"error_rate": {"warning": 0.01, "critical": 0.05, "rollback_after": "5s"}},
        "database": {"dsn": dsn, "owner_role": OWNER, "app_role": APP},
        "cluster": {
            "kind": "sandbox",
            "control": f"http://127.0.0.1:{control}",
            "secret": {"file": str(layout.secret)},
            "prewarm": {"payment-api": 1},
            "workers": {"deployments": ["job-worker"], "drain": "5s"},
        },
        "release": {
            "api": {"payment-api.api": RELEASE},
            "workers": {"job-worker.worker": RELEASE},
            "frontend": {"admin-dashboard.web": RELEASE},
            "timeout": "60s",
        },
        "http": {
            "api": f"http://127.0.0.1:{ports['payment-api']}",
            "dashboard": f"http://127.0.0.1:{ports['admin-dashboard']}",
            "token": {"file": str(layout.token)},
        },
        "metrics": {**metrics, "scrape_interval": "1s", "window": "10s"},
        "rollout": {
            "internal_companies": ["avnz"],
            "companies": {"sql": "SELECT id, beta FROM companies"},
            "gate": {"lookback": "5m", "minimum_carts": 20},
        },
    }
