"""What every metrics source of a test has that keeps no history and knows no queries."""

from collections.abc import Iterator, Mapping

from cartctl.adapters.metrics.source import Metric, QueryFacts, Reading


class WithoutHistory:
    """The rest of the extension point `MetricsSource`."""

    def history(
        self, since: float, until: float, step: float
    ) -> Iterator[tuple[float, Mapping[Metric, Reading]]]:
        """None."""
        return iter(())

    def query_facts(self) -> Mapping[str, QueryFacts]:
        """None."""
        return {}
