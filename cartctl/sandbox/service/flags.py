"""Feature flags as an application reads them: the OpenFeature SDK over its flagd provider in file mode, by company.

The provider is replaced whenever the file has changed, so that a change takes effect with the next request.
"""

import logging
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

from cartctl.sandbox.service.watched import Watched

POLL = 1000  # milliseconds between the provider's own checks of the file

logging.getLogger("openfeature").setLevel(logging.CRITICAL)  # Watched logs once what is wrong with the file


class Flags:
    """Evaluates the flags by their present definitions."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self._path = path
        self._domains = cycle(("one", "other"))  # requests in progress still use the previous provider
        self._client: Watched[OpenFeatureClient | None] = Watched(path, self._load, None, complain)

    def on(self, flag: str, company: str) -> bool:
        """Whether a company has a feature; a flag that is missing or cannot be evaluated is off."""
        client = self._client.get()
        return client is not None and client.get_boolean_value(flag, False, EvaluationContext(company))

    def _load(self, _text: str) -> OpenFeatureClient:
        domain = next(self._domains)
        provider = FlagdProvider(
            resolver_type=ResolverType.FILE, offline_flag_source_path=str(self._path), deadline_ms=POLL
        )
        try:
            api.set_provider_and_wait(provider, domain)
        except OpenFeatureError as wrong:
            raise ValueError(str(wrong.__cause__ or wrong)) from wrong
        return api.get_client(domain)
