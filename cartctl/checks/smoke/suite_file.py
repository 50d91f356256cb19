"""Reading a suite's file: what is wrong with it is one sentence with file, line and key."""

from pathlib import Path

from pydantic import ValidationError

from cartctl.checks.smoke.cases import faults
from cartctl.checks.smoke.suite_model import Request, Suite
from cartctl.config.problems import Problem, of_validation
from cartctl.config.source import Source, key_lines
from cartctl.errors import ConfigError
from cartctl.inputs import InvalidInput, parse_toml, read_text

LIMIT = 1024 * 1024  # bytes of a suite's file
_HINT = "docs/smoke-suites.md describes every key."


def load_suite(path: Path) -> Suite:
    """Read a suite. Raises ConfigError with file, line, key and what is wrong."""
    try:
        text = read_text(path, limit=LIMIT)
        source = Source(path, parse_toml(text), key_lines(text))
    except InvalidInput as error:
        raise ConfigError(
            f"The suite {path}: {error.reason}.", hint=error.hint or "Check http.suites."
        ) from error
    try:
        suite = Suite.model_validate(source.document, context={"directory": path.absolute().parent})
    except ValidationError as error:
        raise _as_error(source, next(of_validation(error, Suite))) from error
    for fault in faults(suite):
        raise _as_error(source, Problem(fault.path, fault.reason))
    return suite if suite.name else suite.model_copy(update={"name": path.stem})


def error_at(path: Path, key: tuple[str, ...], reason: str) -> ConfigError:
    """The error of a suite's file that only shows later, such as a query that the server refuses."""
    text = read_text(path, limit=LIMIT)
    return _as_error(Source(path, parse_toml(text), key_lines(text)), Problem(key, reason))


def _as_error(source: Source, problem: Problem) -> ConfigError:
    message = problem.told + ("" if problem.told.endswith(("?", ".")) else ".")
    place = f"{source.at(problem.path)}: `{_shown(problem.path)}`{_named(source, problem.path)}"
    return ConfigError(f"{place} {message}", hint=problem.hint or _HINT)


def _shown(path: tuple[str, ...]) -> str:
    """`request[0].status`; the names of union members, which validation adds, are of no interest."""
    shown = ""
    for part in path:
        shown += f"[{part}]" if part.isdigit() else f".{part}"
    return shown.removeprefix(".")


def _named(source: Source, path: tuple[str, ...]) -> str:
    """The request's own name beside its number, if it has one."""
    requests = source.document.get("request")
    if len(path) > 1 and path[1].isdigit() and isinstance(requests, list) and int(path[1]) < len(requests):
        request = requests[int(path[1])]
        if isinstance(request, dict) and isinstance(request.get("name"), str):
            return f" (in {request['name']!r})"
    return ""


__all__ = ["Request", "Suite", "error_at", "load_suite"]
