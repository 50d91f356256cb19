"""Safe text: without secrets, and with control and invisible characters as escapes.

It is applied in two places only: to everything written to stdout and stderr (`output`), and to everything drawn (`drawing`),
before colours and line breaks are added.
"""

import re

from cartctl.redaction import redact

CONTROLS = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line end, DEL, C1: escape sequences, bells, carriage returns
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u3164\ufeff\uffa0"  # without width or picture
    "\u2028-\u202e\u2060-\u206f"  # other line ends, bidirectional overrides and isolates
    "\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e0fff"  # half characters, annotations, tags
    "]"
)


def escape_controls(text: str) -> str:
    r"""The text with control, format and half characters as escapes such as `\x1b`; tabs and line ends stay."""
    return CONTROLS.sub(lambda match: ascii(match[0])[1:-1], text)


def safe(text: str) -> str:
    """The text made safe. Idempotent."""
    return escape_controls(redact(text))
