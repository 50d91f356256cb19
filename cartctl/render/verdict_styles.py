"""The colour of each verdict on a metric, in lines and in charts."""

from cartctl.monitoring.thresholds import MetricVerdict

STYLE = {
    MetricVerdict.OK: "green",
    MetricVerdict.WARNING: "yellow",
    MetricVerdict.CRITICAL: "bold red",
    MetricVerdict.LOW_TRAFFIC: "cyan",
    MetricVerdict.NO_DATA: "magenta",
    MetricVerdict.ERROR: "magenta",
}
