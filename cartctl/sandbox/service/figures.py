"""The metrics of `/metrics`: requests by method, route and status, and two latencies whose buckets include the thresholds."""

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter, which is not needed

REGISTRY = CollectorRegistry()

REQUESTS = Counter("http_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time to the first byte of the response.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 5, 10),
    registry=REGISTRY,
)
QUERY_SECONDS = Histogram(
    "db_query_duration_seconds",
    "Time in the database, per use of a connection.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
    registry=REGISTRY,
)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
