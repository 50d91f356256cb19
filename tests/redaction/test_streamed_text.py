"""A secret does not slip through when a text is written in pieces."""

from itertools import combinations

import pytest

from cartctl.redaction import Pieces, register

SECRET = "tok/Alpha9Bravo"


def written(pieces: list[str], *, flushed: bool) -> str:
    """What comes out of all pieces."""
    filtered, out = Pieces(), ""
    for piece in pieces:
        out += filtered.feed(piece)
        if flushed:
            out += filtered.flush()
    return out + filtered.rest()


@pytest.mark.parametrize("flushed", (True, False))
def test_a_secret_in_pieces_is_masked(flushed: bool) -> None:
    """Cut anywhere into three, or character by character; flushed, at most its first three characters are seen."""
    register(SECRET)
    text = f"to tok/ {SECRET}t tokto"
    cuts = [[text[:a], text[a:b], text[b:]] for a, b in combinations(range(1, len(text)), 2)]
    for pieces in (*cuts, list(text)):
        out = written(pieces, flushed=flushed)
        assert "Alpha" not in out
        assert "Bravo" not in out
        assert out.startswith("to tok/ ")
        assert out.endswith("***t tokto")


def test_a_prompt_is_not_held_back() -> None:
    """What only might begin a secret is shown when it is flushed."""
    register(": hidden value")
    filtered = Pieces()
    assert filtered.feed("Continue? [y/N]: ") + filtered.flush() == "Continue? [y/N]: "


def test_text_without_secrets_passes_whole() -> None:
    """Piece by piece, nothing is lost and nothing is added."""
    register(SECRET)
    pieces = ["tok", "tok/", "x\n", "", "t", "o", "k"]
    assert written(pieces, flushed=True) == written(pieces, flushed=False) == "".join(pieces)
