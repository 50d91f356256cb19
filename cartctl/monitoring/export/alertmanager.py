"""An example configuration of Alertmanager that routes the alerts of the exported rules."""

from typing import Any

from cartctl.monitoring.export.promql import string
from cartctl.monitoring.export.settings import RuleSettings

ON_CALL, CHAT = "cart-on-call", "cart-chat"


def alertmanager_example(settings: RuleSettings) -> dict[str, Any]:
    """Triggers and missing data page the on-call person at once, thresholds go to a channel."""
    environment = f"environment={string(settings.env)}"
    return {
        "route": {
            "receiver": CHAT,
            "group_by": ["environment", "alertname"],
            "routes": [
                {
                    "receiver": ON_CALL,
                    "matchers": [environment, 'severity="page"'],
                    "group_by": ["environment", "trigger"],
                    "group_wait": "0s",
                    "repeat_interval": "1h",
                },
                {
                    "receiver": CHAT,
                    "matchers": [environment, 'severity=~"warning|critical"'],
                    "group_wait": "30s",
                    "repeat_interval": "12h",
                },
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": [environment, 'severity="critical"'],
                "target_matchers": [environment, 'severity="warning"'],
                "equal": ["environment", "metric"],
            }
        ],
        "receivers": [
            {"name": ON_CALL, "webhook_configs": [{"url": "http://127.0.0.1:9099/on-call"}]},
            {"name": CHAT, "webhook_configs": [{"url": "http://127.0.0.1:9099/chat"}]},
        ],
    }
