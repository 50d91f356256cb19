"""`cartctl cart`: the domain library at hand, for whoever asks what a cart costs and why."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.errors import UsageError

cart = typer.Typer(no_args_is_help=True, help="What carts cost and add up to, and their jobs.")


@cart.command("quote")
def quote_cart(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A JSON document of the cart and its terms; - is stdin.")
    ],
) -> None:
    """Price a cart and explain each step of its receipt.

    The document has the cart's lines and what its company offers and charges: promotions, tax rates, shipping zones.
    Nothing else is asked and nothing is changed. A document that is wrong ends with exit code 2 and the path of the field.
    """
    from cartctl.cart.pricing.quote import quote
    from cartctl.cart.quote_document.document_reader import LARGEST_DOCUMENT, read_quote

    options: Options = ctx.obj
    options.show(quote(read_quote(_read(file, LARGEST_DOCUMENT + 1))))


def _read(file: str, limit: int) -> bytes:
    """The first bytes of a file or of stdin. Raises UsageError."""
    if file == "-":
        return sys.stdin.buffer.read(limit)
    try:
        with Path(file).open("rb") as stream:
            return stream.read(limit)
    except OSError as wrong:
        raise UsageError(
            f"Cannot read {file}: {wrong.strerror}.", hint="Give a JSON file, or - for stdin."
        ) from wrong
