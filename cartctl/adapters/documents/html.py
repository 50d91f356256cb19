"""HTML: elements of a page by a CSS selector."""

from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, SelectolaxError


@dataclass(frozen=True, slots=True)
class Element:
    """An element's text, with single spaces, and its attributes."""

    text: str
    attributes: dict[str, str | None]


class Page:
    """A parsed page; damaged HTML is read as browsers read it."""

    def __init__(self, html: str) -> None:
        self._tree = LexborHTMLParser(html)

    def select(self, selector: str) -> list[Element]:
        """The elements that a CSS selector matches, in order. Raises ValueError for an invalid selector."""
        try:
            nodes = self._tree.css(selector)
        except (SelectolaxError, ValueError) as error:
            raise ValueError(f"is not a valid CSS selector: {selector!r}") from error
        return [Element(" ".join(node.text(separator=" ").split()), node.attributes) for node in nodes]


def check_selector(selector: str) -> None:
    """Raise ValueError with the reason if a selector is invalid."""
    Page("").select(selector)
