"""An HTTP response as checks read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cartctl.errors import StepFailed
from cartctl.inputs import InvalidInput, parse_json
from cartctl.redaction import cut

SHOWN = 200  # characters of a body in messages


class MalformedResponse(StepFailed):
    """The response is malformed: not JSON, or of an unexpected shape."""

    code = "bad_answer"


@dataclass(frozen=True, slots=True)
class Response:
    """One response. Header names are lower case; `seconds` is the time until the whole body was read.

    `damaged`: the body has bytes that its charset does not allow; they are replaced in `body`.
    """

    status: int
    headers: Mapping[str, str]
    body: str
    seconds: float = 0.0
    damaged: bool = False

    @property
    def excerpt(self) -> str:
        """The beginning of the body on one line, secrets masked, for messages."""
        line = " ".join(cut(self.body, 4 * SHOWN).split())
        return line if len(line) <= SHOWN else line[:SHOWN] + "…"

    @property
    def ok(self) -> bool:
        """Whether the status is a success (2xx)."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of successes

    def json(self) -> Any:
        """The body as JSON. Raises MalformedResponse with the body's beginning, also for repeated keys and damaged text."""
        if self.damaged:
            raise MalformedResponse(f"The response (HTTP {self.status}) is not valid UTF-8: {self.excerpt!r}")
        try:
            return parse_json(self.body, unique=True)
        except InvalidInput as error:
            repeated = str(error.__cause__) if str(error.__cause__).endswith("is repeated") else ""
            reason = f"is ambiguous JSON, {repeated}" if repeated else "is not JSON"
            raise MalformedResponse(
                f"The response (HTTP {self.status}) {reason}: {self.excerpt!r}"
            ) from error
