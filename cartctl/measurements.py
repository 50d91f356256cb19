"""Measurements with their units, as every text shows them: the one formatter for values of metrics and their thresholds."""

KIB = 1024


def size(count: float) -> str:
    """Bytes in the largest binary unit that leaves at least 1: `1.2 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < KIB:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= KIB
    return f"{count:.1f} TiB"


def percentage(share: float) -> str:
    """A share as per cent: `8.3%`."""
    return f"{share:.1%}"


def latency(seconds: float) -> str:
    """`227 ms`, `1.25 s`, `12.3 s` or `75 s`."""
    if abs(seconds) < 0.9995:  # noqa: PLR2004 - what would be rounded to 1000 ms
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if abs(seconds) < 100 else f"{seconds:.0f} s"  # noqa: PLR2004 - three digits


def measured(value: float, unit: str) -> str:
    """A value with its unit, which is `share` or `s`."""
    return percentage(value) if unit == "share" else latency(value)
