"""PromQL and templates of alerts as text: names, strings, durations and numbers."""

import json
import re

from cartctl.adapters.metrics.source import Metric

ROUNDING = "(1 + 1e-9)"  # a breach is strictly above, but for rounding errors, as in `thresholds`
_SELECTOR = re.compile(r"[a-zA-Z_:][\w:]*(\{[^{}]*\})?")
_MILLISECONDS = (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def string(text: str) -> str:
    """A string literal."""
    return json.dumps(text, ensure_ascii=False)


def literal(text: str) -> str:
    """Text for a label or an annotation of an alert, which Prometheus reads as a template."""
    return text.replace("{{", '{{ "{{" }}')


def duration(seconds: float, *, milliseconds: int = 0) -> str:
    """A duration such as `5m` or `5m1ms`: seconds rounded to milliseconds, at least 1 ms, plus `milliseconds`."""
    left = max(1, round(seconds * 1000)) + milliseconds
    parts = []
    for unit, size in _MILLISECONDS:
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts)


def number(value: float) -> str:
    """A number literal, without an exponent where it needs none."""
    return f"{value:.12g}"


def over_range(expression: str, within: str, every: str) -> str:
    """The values of a selector over a range, or those of another expression at every step of it."""
    return (
        f"{expression}[{within}]" if _SELECTOR.fullmatch(expression) else f"({expression})[{within}:{every}]"
    )


class Names:
    """The names of one environment's series."""

    def __init__(self, env: str) -> None:
        self.env = env
        self._labels = f"{{environment={string(env)}}}"

    @staticmethod
    def record(metric: str, part: str) -> str:
        """The name of a recorded series."""
        return f"cartctl:{metric}:{part}"

    def series(self, metric: str, part: str, within: str = "") -> str:
        """A selector of a recorded series, over a range if one is given."""
        return f"{self.record(metric, part)}{self._labels}" + (f"[{within}]" if within else "")


def alert_name(metric: Metric, suffix: str) -> str:
    """`CartErrorRateWarning` for the metric `error_rate`."""
    return f"Cart{''.join(part.capitalize() for part in metric.split('_'))}{suffix}"
