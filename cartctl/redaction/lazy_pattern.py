"""A regular expression that is compiled when it is first used: redaction is loaded at every start, and compiling is slow."""

import re
from functools import cached_property


class LazyPattern:
    """A pattern, and the case-folded words of which every matching text contains at least one (none: any text may match)."""

    def __init__(self, expression: str, *words: str) -> None:
        self._expression = expression
        self._words = words

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern itself."""
        return re.compile(self._expression)

    def may_match(self, folded: str) -> bool:
        """Whether a text can match, by its words; `folded` is the text after casefold()."""
        return not self._words or any(word in folded for word in self._words)
