"""The cart library's errors as errors of the command line: the same message, hint and code, with an exit code."""

from cartctl.errors import CartctlError, Refused, UsageError


def translate_cart_error(error: Exception) -> CartctlError | None:
    """Invalid input as a usage error (exit 2), a rule that does not allow something as a refusal (exit 3).

    None for an error that is not the library's.
    """
    from cartctl.cart.errors import CartError, InputError

    if not isinstance(error, CartError):
        return None
    kind = UsageError if isinstance(error, InputError) else Refused
    named: type[CartctlError] = type(type(error).__name__, (kind,), {"code": error.code})
    return named(error.message, hint=error.hint)
