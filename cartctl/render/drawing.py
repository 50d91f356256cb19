"""Rich as cartctl draws with it: text is made safe before it is laid out, and square brackets are no markup.

The only module that imports rich's own Text and Console, so that no renderer can bypass it.
"""

from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.text import Text as RichText

from cartctl.render.output import drawn
from cartctl.render.safe_text import safe

__all__ = ["Console", "ConsoleOptions", "Group", "RenderableType", "Text"]


class Text(RichText):
    """Text without secrets and without control characters of its own; the style is ours."""

    def __init__(self, text: str = "", style: Any = "", **more: Any) -> None:
        super().__init__(safe(text), style, **more)

    def append(self, text: "RichText | str", style: Any = None) -> "Text":
        """Add text, made safe, or a Text."""
        super().append(safe(text) if isinstance(text, str) else text, style)
        return self


class Console(RichConsole):
    """A console that reads no markup and draws on a guarded stream."""

    def __init__(self, stream: TextIO, *, no_color: bool = False, **more: Any) -> None:
        super().__init__(
            file=drawn(stream), highlight=False, markup=False, emoji=False, no_color=no_color or None, **more
        )

    def render_str(self, text: str, **how: Any) -> RichText:
        """A plain text in a table or a line: made safe too."""
        return super().render_str(safe(text), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Rich's own texts are made safe here, where they are drawn."""
        if isinstance(renderable, RichText) and (plain := safe(renderable.plain)) != renderable.plain:
            renderable = RichText(plain, renderable.style)
        return super().render(renderable, options)
