"""How many rows a batch takes, so that no shopper waits long for one of them."""

HOLD = 0.025  # seconds for which a batch has its rows locked
FIRST, LEAST = 50, 10  # rows: to begin with, and on however slow a server


class Pace:
    """The size of the next batch of a run: what the last one would have done in HOLD seconds, and `most` at most.

    It doubles and halves at most, since one slow batch may have waited for something else.
    """

    def __init__(self, most: int) -> None:
        self.size = min(FIRST, most)
        self._most = most

    def measured(self, rows: int, seconds: float) -> None:
        """A batch has taken so long. Without rows it says nothing."""
        if rows:
            fitting = round(rows * HOLD / max(seconds, 1e-6))
            within = max(self.size // 2, min(fitting, self.size * 2))
            self.size = min(max(within, LEAST), self._most)
