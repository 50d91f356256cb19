"""Charts as SVG: as wide as their place, in the page's colours, with every text escaped."""

from xml.etree import ElementTree as ET

from cartctl.adapters.documents.vega_lite import draw

CHART = {
    "data": {
        "values": [
            {"day": "2026-11-01", "v": 1, "name": "<script>&"},
            {"day": "2026-11-02", "v": 2, "name": "b"},
        ]
    },
    "mark": "line",
    "encoding": {
        "x": {"field": "day", "type": "temporal"},
        "y": {"field": "v", "type": "quantitative"},
        "color": {"field": "name", "type": "nominal"},
    },
}


def test_a_chart_has_no_size_of_its_own_and_no_colour_but_the_pages() -> None:
    """The shape is in the view box; labels and lines take CSS variables; a legend's text stays text."""
    svg = draw(CHART, 400, 200)
    drawn = ET.fromstring(svg)  # noqa: S314 - drawn here
    assert drawn.get("role") == "presentation"
    assert (drawn.get("width"), drawn.get("height"), drawn.get("viewBox")) == (None, None, "0 0 400 200")
    assert {"var(--muted)", "var(--line)", "var(--series-1)", "var(--series-2)"} <= {
        each.get(name) for each in drawn.iter() for name in ("fill", "stroke")
    }
    assert "<script>" not in svg
    assert "<script>&" in {each.text for each in drawn.iter()}
