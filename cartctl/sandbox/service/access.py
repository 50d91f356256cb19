"""Who may use a cart route: a known bearer whose company has the feature."""

from dataclasses import dataclass

from fastapi.responses import JSONResponse

from cartctl.sandbox.service.flags import Flags
from cartctl.sandbox.service.platform import unauthorized
from cartctl.sandbox.service.tokens import Bearer, Tokens


@dataclass(frozen=True, slots=True)
class Access:
    """Decides by token, then by flag."""

    tokens: Tokens
    flags: Flags

    def enter(self, authorization: str, flag: str) -> Bearer | JSONResponse:
        """The bearer, or the answer that refuses: 401 to a stranger, 404 where the feature is off."""
        bearer = self.tokens.bearer(authorization)
        if bearer is None or not bearer.admin:
            return unauthorized()
        if not self.flags.on(flag, bearer.company):
            return JSONResponse({"error": "feature_disabled"}, status_code=404)
        return bearer
