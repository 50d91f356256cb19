"""Feature flags: flagd definitions in a watched file, evaluated for the company of the token."""

from collections.abc import Callable
from pathlib import Path

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

from cartctl.sandbox.service.watched import Watched

CARTS = "FEATURE_CART_MANAGEMENT"
RECOVERY = "FEATURE_ABANDONED_CART_RECOVERY"
ANALYTICS = "FEATURE_ECOMMERCE_ANALYTICS"


class Flags:
    """Asks the flags' present definitions."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self._core: Watched[FlagdCore | None] = Watched(path, _parse, None, complain)

    def on(self, flag: str, company: str) -> bool:
        """Whether a company has a feature; a flag that is missing or cannot be evaluated is off."""
        core = self._core.get()
        if core is None:
            return False
        try:
            return core.resolve_boolean_value(flag, default_value=False, ctx=EvaluationContext(company)).value
        except OpenFeatureError:
            return False


def _parse(text: str) -> FlagdCore:
    core = FlagdCore()
    try:
        core.set_flags(text)
    except (OpenFeatureError, AttributeError, TypeError) as wrong:
        raise ValueError(str(wrong)) from wrong
    return core
