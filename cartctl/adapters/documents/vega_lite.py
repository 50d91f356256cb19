"""Charts as SVG, drawn by Vega-Lite (vl-convert) in the colours of the page around them.

Colours are CSS variables of that page (`--muted`, `--line`, `--series-1` to `--series-6`), so that a chart follows light, dark
and print. Nothing is loaded from elsewhere.
"""

import re
from collections.abc import Mapping
from typing import Any

INK = "var(--muted)"
LINE = "var(--line)"
COLOURS = [f"var(--series-{number})" for number in range(1, 7)]
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_SIZE = re.compile(r'^<svg ([^>]*?)width="[^"]*" height="[^"]*"')
_THEME = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": INK, "labelFontSize": 11, "title": None, "orient": "bottom", "labelLimit": 180},
    "range": {"category": COLOURS},
}


def draw(chart: Mapping[str, Any], width: int, height: int) -> str:
    """The SVG of a Vega-Lite specification, as wide as what it is put into; `width` and `height` in CSS pixels give its shape.

    vl-convert escapes every text in it, but aborts the process at characters that XML does not allow: remove those first.
    """
    import vl_convert  # 30 MB

    full = {
        "$schema": _SCHEMA,
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "background": None,
        "config": _THEME,
        **chart,
    }
    svg = vl_convert.vegalite_to_svg(full, allowed_base_urls=[])
    return _SIZE.sub(r'<svg role="presentation" \1', svg, count=1)
