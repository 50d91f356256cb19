"""A JUnit report, counted while it is parsed: nothing of it is held, whatever its size, encoding or nesting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

from cartctl.inputs import InvalidInput, read_bytes

LARGEST = 32 * 1024 * 1024  # bytes of a report
DEPTH = 100  # levels of elements; a report has five
NAMED = 3  # failures that are named
_ROOTS = {"testsuite", "testsuites"}
_COUNTS = ("failures", "errors")


class UnusableReportError(ValueError):
    """A report that cannot count as evidence; its text says why."""


@dataclass(slots=True)
class Report:
    """Tests that ran, how many of them failed, and some failures by name; a skipped test did not run.

    A suite may count failures of its own (one that could not be loaded has no test to show it at).
    """

    ran: int = 0
    failed: int = 0
    names: list[str] = field(default_factory=list)
    suites: list[str] = field(default_factory=list)

    @property
    def bad(self) -> list[str]:
        """What is wrong, the first few; empty where nothing is."""
        return self.names or self.suites


def read_report(path: Path) -> Report:
    """Count a report. Raises UnusableReportError.

    One with a document type is refused: a test report needs none, and entities can be bombs.
    """
    try:
        content = read_bytes(path, limit=LARGEST)
    except InvalidInput as error:
        raise UnusableReportError(f"{path}: {error.reason}") from error
    reading = _Reading(path)
    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = reading.doctype
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    try:
        parser.Parse(content, True)
    except (ExpatError, LookupError) as error:  # an encoding that Python does not know is a LookupError
        raise UnusableReportError(f"{path} is not a JUnit report: {error}") from error
    except UnusableReportError:
        raise
    except ValueError as error:  # an encoding of several bytes per character, other than UTF-8 and UTF-16
        raise UnusableReportError(f"{path} is not a JUnit report: {error}") from error
    return reading.report


class _Reading:
    """The parser's position: the enclosing elements, and the current test."""

    def __init__(self, path: Path) -> None:
        self.report = Report()
        self._path = path
        self._inside: list[str] = []
        self._name = ""
        self._skipped = self._failed = False

    def doctype(self, *_: object) -> None:
        raise UnusableReportError(f"{self._path} has a document type declaration")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self._inside and tag not in _ROOTS:
            raise UnusableReportError(f"{self._path} is not a JUnit report: it begins with {tag[:60]}")
        if len(self._inside) >= DEPTH:
            raise UnusableReportError(f"{self._path} is nested more than {DEPTH} levels deep")
        if tag in _ROOTS:
            self._suite(attributes)
        elif tag == "testcase":
            self._name, self._skipped, self._failed = attributes.get("name", ""), False, False
        elif self._inside[-1] == "testcase":
            self._skipped = self._skipped or tag == "skipped"
            self._failed = self._failed or tag in {"failure", "error"}
        self._inside.append(tag)

    def end(self, tag: str) -> None:
        self._inside.pop()
        if tag == "testcase" and not self._skipped:
            self.report.ran += 1
            if self._failed:
                self.report.failed += 1
                self.report.names += [self._name][: NAMED - len(self.report.names)]
        if tag == "testcase":
            self._skipped = self._failed = False

    def _suite(self, attributes: Mapping[str, str]) -> None:
        for count in _COUNTS:
            value = attributes.get(count, "0").strip()
            if value not in {"", "0"} and len(self.report.suites) < NAMED:
                name = attributes.get("name") or "a suite"
                self.report.suites.append(f"{name}, which reports {value[:20]} {count}")
