"""The value types of the configuration besides text and numbers: durations, images, references to secrets."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from cartctl.deadline import DeadlineExceeded, within
from cartctl.errors import ConfigError, UsageError
from cartctl.inputs import MissingInput, read_text
from cartctl.redaction import redact, register, register_address
from cartctl.redaction.parts import credentials_of

_QUOTED = 60  # characters
KEYRING_SECONDS = 30.0  # the command may wait at an invisible prompt
SECRET_LIMIT = 64 * 1024  # bytes of a secret's file
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def quoted(text: str) -> str:
    """A wrong value as a message repeats it: in quotes, on one line, cut."""
    text = redact(text)  # before it is cut: no filter recognises half a password
    return repr(text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…")


def parse_duration(text: str) -> timedelta:
    """A duration like `90s`, `1h30m` or `500ms`.

    Raises ValueError naming the known units, or for a value above the maximum.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(
            f"is not a valid duration: {quoted(text)}; use a number and a unit ({', '.join(_UNITS)}), such as 90s or 1h30m"
        )
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError as endless:
        raise ValueError(f"is too long a duration: {quoted(text)}") from endless


def duration_option(option: str, text: str) -> timedelta:
    """The duration given to a command-line option. Raises UsageError."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(
            f"Invalid duration {quoted(text)} for {option}.", hint="Use a number and a unit, such as 30m."
        ) from error


def format_duration(value: timedelta) -> str:
    """A duration in the shortest form that `parse_duration` reads."""
    seconds = value.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"


def _duration(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError(f'has no unit: write "{value:g}s" or "{value:g}m"')  # noqa: TRY004 - pydantic wants it
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": rf"^({_DURATION.pattern})+$", "examples": ["90s", "1h30m"]}),
]


def check_pattern(pattern: str) -> str:
    """A valid regular expression. Raises ValueError."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as wrong:
        raise ValueError(f"is not a valid regular expression: {wrong}") from wrong
    return pattern


Pattern = Annotated[str, AfterValidator(check_pattern)]


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    """A relative path in the file is relative to the file, wherever the command is run."""
    directory = (info.context or {}).get("directory")
    try:
        path = path.expanduser()
    except RuntimeError as unknown:
        raise ValueError(f"names the home directory of an unknown user: {quoted(str(path))}") from unknown
    return path if directory is None else Path(directory) / path


def _named_beside_the_file(path: str, info: ValidationInfo) -> str:
    return str(_beside_the_file(Path(path), info))


LocalPath = Annotated[Path, AfterValidator(_beside_the_file)]
LocalPathName = Annotated[str, AfterValidator(_named_beside_the_file)]


class Secret(BaseModel):
    """Where a secret is, or (outside protected environments) the secret itself. Never shown: its text form says where."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    env: str | None = Field(
        default=None, description="Environment variable that holds it.", examples=["CART_DSN"]
    )
    file: LocalPath | None = Field(
        default=None,
        description="File that contains it; surrounding white space is ignored.",
        examples=["secrets/token"],
    )
    keyring: str | None = Field(
        default=None,
        description="Entry of the system's keyring, as service/user.",
        examples=["cartctl/token"],
    )
    literal: str | None = Field(
        default=None,
        description="The value itself, like a plain string; refused in a protected environment.",
        examples=["postgresql://localhost/shop"],
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"literal": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(part is not None for part in (self.env, self.file, self.keyring, self.literal)) != 1:
            raise ValueError("a secret is one of { env = … }, { file = … }, { keyring = … }")
        if known := self.known:
            self._register(known)  # before any error can quote it
        return self

    @property
    def known(self) -> str | None:
        """The value if no file or keyring has to be read: the literal, or the variable's value."""
        return self.literal or os.environ.get(self.env or "") or None

    @property
    def exposes(self) -> bool:
        """Whether a secret itself stands in the configuration."""
        return self.literal is not None

    def _register(self, secret: str) -> None:
        register(secret)

    def reveal(self) -> str:
        """The secret, which the filter of all output masks from now on. Raises ConfigError naming the place that lacks it."""
        secret = self._resolved()
        self._register(secret)
        return secret

    def _resolved(self) -> str:
        if self.literal is not None:
            return self.literal
        if self.env is not None:
            return self._required(os.environ.get(self.env), f"the environment variable {self.env}")
        if self.file is not None:
            return self._required(_read(self.file), f"the file {self.file}")
        return self._required(_from_keyring(str(self.keyring)), f"the keyring entry {self.keyring}")

    @staticmethod
    def _required(value: str | None, place: str) -> str:
        if not value:
            raise ConfigError(
                f"A secret is missing: {place} is empty or does not exist.",
                hint="Set it, or change the reference.",
            )
        return value

    def __str__(self) -> str:
        place = next(
            (f"{k}:{v}" for k, v in (("env", self.env), ("file", self.file), ("keyring", self.keyring)) if v),
            "",
        )
        return place or "***"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


class Address(Secret):
    """An address that may hold credentials: a text, shown without them, or a reference as for a secret."""

    @property
    def exposes(self) -> bool:
        """Whether the text itself holds credentials."""
        return self.literal is not None and bool(credentials_of(self.literal).secrets)

    def _register(self, secret: str) -> None:
        register_address(secret)

    def __str__(self) -> str:
        return redact(self.literal) if self.literal is not None else super().__str__()


class Header(Secret):
    """The value of an HTTP header: a text, which is shown, or a reference as for a secret."""

    @property
    def exposes(self) -> bool:
        """Never by itself: it depends on the header's name, which `metrics_rules` checks."""
        return False

    def _register(self, secret: str) -> None:
        if self.literal is None:  # a tenant's name must not be masked wherever it occurs
            super()._register(secret)

    def __str__(self) -> str:
        return redact(self.literal) if self.literal is not None else super().__str__()


def _read(path: Path) -> str | None:
    """A file's stripped text; None where it does not exist. Raises InvalidInput."""
    try:
        return read_text(path.expanduser(), limit=SECRET_LIMIT).strip()
    except MissingInput:
        return None


def _from_keyring(entry: str) -> str | None:
    """`service/user` from the system's keyring, when the package `keyring` is installed."""
    try:
        import keyring  # type: ignore[import-not-found]
    except ImportError as missing:
        raise ConfigError(
            "A keyring reference needs the package `keyring`.", hint="pip install 'cartctl[keyring]'"
        ) from missing
    service, _, user = entry.partition("/")
    try:
        secret: str | None = within(KEYRING_SECONDS, lambda _: keyring.get_password(service, user))
    except (DeadlineExceeded, keyring.errors.KeyringError) as error:
        raise ConfigError(
            f"Cannot read the keyring entry {entry}: {str(error) or 'it did not respond'}.",
            hint="Unlock it, or use { env = … } or { file = … }.",
        ) from error
    return secret


def revealed(environment: Mapping[str, Secret]) -> dict[str, str]:
    """Environment variables for a user's program, with their secrets. Raises ConfigError naming the place that lacks one."""
    return {name: secret.reveal() for name, secret in environment.items()}
