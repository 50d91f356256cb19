"""The level and logger of a log line, in the formats that applications write. Pure.

JSON (pino's and bunyan's numbers, winston, zap, GCP's severity, ECS, OpenTelemetry, Serilog, Monolog, GELF, Python's), klog,
logfmt, Python's logging, log4j and its relatives, and a level as a word at the beginning of plain text.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """Levels by severity."""

    DEBUG = 1
    INFO = 2
    WARNING = 3
    ERROR = 4
    CRITICAL = 5


_NAMES = {
    Level.DEBUG: "trace debug fine finer finest verbose silly all default unspecified dbg trc vrb",
    Level.INFO: "info information informational notice log http config success inf",
    Level.WARNING: "warn warning wrn",
    Level.ERROR: "error err eror severe",
    Level.CRITICAL: "fatal critical crit alert emerg emergency panic dpanic ftl",
}
LEVELS: Mapping[str, Level] = {name: level for level, names in _NAMES.items() for name in names.split()}

COLOUR = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
EXCEPTION = re.compile(r"\b(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)\b(?=\s*(?:[:\[({]|$))")
# In plain text without a level: an error is mentioned, and not as a figure or as part of a path.
_MENTION = re.compile(
    r"(?<![/\w.-])(?:error|fatal|critical|panic)\b(?!/|\s*(?:rate|count|budget)|\s*[=:]?\s*0\b)",
    re.IGNORECASE,
)
_TENS, _HUNDREDS, _SYSLOG_ERROR = 10, 100, 3
_DESCENDING = (Level.CRITICAL, Level.ERROR, Level.WARNING, Level.INFO)
_NUMBERS = {  # from which number on a level begins
    "severityNumber": (21, 17, 13, 9),  # OpenTelemetry
    "levelno": (50, 40, 30, 20),  # Python
    "pino": (60, 50, 40, 30),  # bunyan as well
    "severity": (600, 500, 400, 200),  # Google Cloud
    "monolog": (500, 400, 300, 200),
}
_DIGITS = re.compile(r"[0-9]{1,4}")
LINE_CHARACTERS = 4000  # characters of plain text that are read
PREFIX = 80  # characters in which plain text has its level
_AMBIGUOUS = frozenset(
    ["all", "config", "default", "http", "inf", "log", "silly", "specified", "success", "unspecified"]
)  # words of any text
_WORDS = "|".join(sorted(LEVELS.keys() - _AMBIGUOUS, key=len, reverse=True))
_PLAIN_LEVEL = re.compile(
    rf"\b(?P<upper>{_WORDS.upper()}|LOG)\b"
    rf"|[\[<(](?P<bracket>(?i:{_WORDS}))[\])>]"
    rf"|(?:^|[\s|])(?P<colon>(?i:{_WORDS}))\s*[:|\]]"
    rf"|^[^A-Za-z]*(?P<first>(?i:{_WORDS}))\b"
    rf"|^\S*\d[\dT:.,+Z/ -]*\s(?P<dated>(?i:{_WORDS}))\b"
)
_KLOG = re.compile(
    r"(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ (?P<logger>[^\s:\]]+:\d+)\] (?P<message>.*)", re.DOTALL
)
_LOGFMT = re.compile(r'(?:^|\s)(?P<key>[A-Za-z_][\w.@-]*)=(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]*)')
_KLOG_LEVELS = {"I": Level.INFO, "W": Level.WARNING, "E": Level.ERROR, "F": Level.CRITICAL}
_LOG4J = re.compile(
    r"\b[A-Z]{4,8}\b\s+(?:\[[^\]]*\]\s+)?(?P<logger>[\w$]+(?:\.[\w$]+)+)\s*(?:-|:)\s+(?P<message>.*)",
    re.DOTALL,
)
_PYTHON = re.compile(
    r"(?:^|- )(?P<logger>[\w.]+) - (?P<level>[A-Z]{4,8}) - (?P<message>.*)|^(?P<level2>[A-Z]{4,8}):(?P<logger2>[\w.]+):(?P<message2>.*)",
    re.DOTALL,
)
_LEVEL_KEYS = (
    "level",
    "severity",
    "log.level",
    "lvl",
    "levelname",
    "loglevel",
    "@l",
    "severityText",
    "severity_text",
    "SeverityText",
    "level_name",
    "severityNumber",
    "levelno",
)
_LOGGER_KEYS = ("logger", "log.logger", "name", "logger_name", "context", "module", "caller", "SourceContext")
_MESSAGE_KEYS = ("msg", "message", "@m", "@mt", "body", "event", "text")
_ERROR_KEYS = ("err", "error", "exception", "stack", "stack_trace", "error.stack_trace", "@x")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A line's level (None if it has none), logger and message."""

    level: Level | None
    logger: str
    message: str


def without_colour(text: str) -> str:
    """A line without the escape sequences of terminals."""
    return COLOUR.sub("", text) if "\x1b" in text else text


def parse_line(text: str) -> Parsed:
    """Level, logger and message of a line without colour. An exception without a level has the level of an error."""
    document = _document(text)
    if document is not None:
        parsed = _of_json(document, text)
        if parsed.level is not None or text.startswith("{"):
            return parsed
    text = text[:LINE_CHARACTERS]
    if klog := _KLOG.match(text):
        return Parsed(_KLOG_LEVELS[klog["level"]], klog["logger"], klog["message"])
    if (fields := _logfmt(text)) is not None:
        return fields
    return _of_text(text)


def _document(text: str) -> Mapping[str, Any] | None:
    """The JSON object of a line, also after a prefix such as a container's name."""
    start = text.find("{", 0, PREFIX)
    if start < 0 or not text.rstrip().endswith("}"):
        return None
    try:
        value = json.loads(text[start:])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _of_json(document: Mapping[str, Any], text: str) -> Parsed:
    levels = (_level(key, _get(document, key)) for key in _LEVEL_KEYS)
    level = next((level for level in levels if level is not None), None)
    message = _message(document)
    if level is None and (any(_get(document, key) for key in _ERROR_KEYS) or EXCEPTION.search(message)):
        level = Level.ERROR
    loggers = (_get(document, key) for key in _LOGGER_KEYS)
    logger = next((logger for logger in loggers if isinstance(logger, str)), "")
    return Parsed(level, logger, message or text)


def _message(document: Mapping[str, Any]) -> str:
    message = next((one for key in _MESSAGE_KEYS if isinstance(one := _get(document, key), str)), "")
    error = next((one for key in _ERROR_KEYS[:3] if (one := _get(document, key))), None)
    if isinstance(error, Mapping):
        error = ": ".join(
            str(error[key]) for key in ("type", "name", "message") if isinstance(error.get(key), str)
        )
    detail = error.partition("\n")[0] if isinstance(error, str) else ""
    return f"{message}: {detail}" if message and detail and detail not in message else message or detail


def _get(document: Mapping[str, Any], key: str) -> Any:
    """A value by its key, whose dots may also be nesting, as in ECS."""
    if key in document:
        return document[key]
    first, dot, rest = key.partition(".")
    inner = document.get(first) if dot else None
    return inner.get(rest) if isinstance(inner, Mapping) else None


def _level(key: str, value: Any) -> Level | None:
    if not isinstance(value, str):
        return _number(key, value)
    name = without_colour(value).strip().lower()
    return LEVELS.get(name) or (_number(key, int(name)) if _DIGITS.fullmatch(name) else None)


def _number(key: str, value: Any) -> Level | None:
    """The level of a number, by the convention of its key and size."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if key not in {"severityNumber", "levelno"}:
        key = "syslog" if value < _TENS else "pino" if value < _HUNDREDS else key
    if key == "syslog":  # counts down
        return Level.ERROR if value <= _SYSLOG_ERROR else Level.WARNING if value < _TENS / 2 else Level.INFO
    steps = _NUMBERS.get(key, _NUMBERS["monolog"])
    return next(
        (level for least, level in zip(steps, _DESCENDING, strict=True) if value >= least), Level.DEBUG
    )


def _logfmt(text: str) -> Parsed | None:
    if "=" not in text:
        return None
    fields = {field["key"].lower(): _unquoted(field["value"]) for field in _LOGFMT.finditer(text)}
    level = next((fields[key] for key in ("level", "lvl", "severity", "log.level") if key in fields), None)
    if level is None or level.lower() not in LEVELS:
        return None
    message = next((fields[key] for key in ("msg", "message", "error", "err") if fields.get(key)), text)
    return Parsed(LEVELS[level.lower()], fields.get("logger", ""), message)


def _unquoted(value: str) -> str:
    return value[1:-1] if value.startswith('"') else value


def _of_text(text: str) -> Parsed:
    word = _PLAIN_LEVEL.search(text[:PREFIX])
    level = LEVELS[next(name for name in word.groups() if name).lower()] if word else None
    is_trace = text.startswith(("Traceback (most recent", "Exception in thread"))
    if level is None and (is_trace or EXCEPTION.search(text) or _MENTION.search(text)):
        level = Level.ERROR
    if python := _PYTHON.search(text):
        return Parsed(
            level, python["logger"] or python["logger2"], python["message"] or python["message2"] or ""
        )
    if log4j := _LOG4J.search(text):
        return Parsed(level, log4j["logger"], log4j["message"])
    return Parsed(level, "", text)
