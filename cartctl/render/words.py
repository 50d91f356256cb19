"""Somebody else's words on a terminal: shown, never obeyed."""


def harmless(words: str) -> str:
    """The words with whatever a terminal would obey, or not show, as an escape; line ends too."""
    return words if words.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)
