"""The library's errors at the command line's boundary: exit codes 2 and 3, message, hint and code kept."""

import pytest

from cartctl.cart import errors
from cartctl.cart.errors import CartError
from cartctl.commands.cart.errors import translate_cart_error

MORE: dict[type[CartError], dict[str, str]] = {  # what some errors need beside their message
    errors.DiscountLost: {"promotion_code": "TEN", "total": "9.00"},
    errors.TotalChanged: {"agreed": "10.00 USD", "total": "9.00 USD"},
}


def descendants(kind: type[CartError]) -> list[type[CartError]]:
    """Every error below another."""
    return [each for child in kind.__subclasses__() for each in (child, *descendants(child))]


def test_every_error_has_a_code_of_its_own() -> None:
    """An API responds with the code, so no two errors share one."""
    codes = [kind.code for kind in descendants(CartError)]
    assert len(codes) == len(set(codes)) > 10


@pytest.mark.parametrize("kind", descendants(errors.RuleBroken))
def test_a_broken_rule_is_a_refusal(kind: type[CartError]) -> None:
    """A rule that does not allow something ends a command with exit code 3."""
    error = translate_cart_error(kind("No.", hint="Do this.", **MORE.get(kind, {})))
    assert error is not None
    assert (error.exit_code, error.code, error.message, error.hint) == (3, kind.code, "No.", "Do this.")


def test_invalid_input_is_a_usage_error() -> None:
    """An invalid document ends a command with exit code 2 and begins with the field's path."""
    error = translate_cart_error(errors.InputError("lines[0].id", "is missing", hint="Add it."))
    assert error is not None
    assert (error.exit_code, error.code) == (2, "INVALID_INPUT")
    assert (error.message, error.hint) == ("lines[0].id: is missing", "Add it.")


def test_other_errors_are_not_translated() -> None:
    """A bug stays a bug."""
    assert translate_cart_error(ValueError("oops")) is None
