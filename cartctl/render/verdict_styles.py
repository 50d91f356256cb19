"""The colour of each verdict on a metric, in lines and in charts."""

from cartctl.monitoring.thresholds import Judged

STYLE = {
    Judged.OK: "green",
    Judged.WARNING: "yellow",
    Judged.CRITICAL: "bold red",
    Judged.LOW_TRAFFIC: "cyan",
    Judged.NO_DATA: "magenta",
    Judged.ERROR: "magenta",
}
