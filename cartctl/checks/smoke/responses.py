"""A response against everything that a suite's request expects of it; all differences are reported together."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cartctl.adapters.http.client import MalformedResponse, Response
from cartctl.checks.probes.pages import ERRORS
from cartctl.checks.probes.probe import failed, passed, status_failure
from cartctl.checks.smoke.expectation_model import Capture, HtmlCondition
from cartctl.checks.smoke.json_values import json_differences, shown
from cartctl.checks.smoke.suite_model import Request
from cartctl.checks.smoke.templates import fill_text
from cartctl.engine.model import CheckResult
from cartctl.measurements import latency
from cartctl.redaction import register

if TYPE_CHECKING:
    from cartctl.adapters.documents.html import Element

NOTHING: Mapping[str, Any] = {}


def judge_response(request: Request, response: Response, values: Mapping[str, Any] = NOTHING) -> CheckResult:
    """Pass if the response is as expected; `values` fill the placeholders. Raises MalformedResponse for a body that is not JSON."""
    if response.status not in request.status:
        return _wrong_status(request, response)
    differences = list(_differences(request, response, values))
    if differences:
        return failed("; ".join(differences), "as the suite says")
    return passed(f"HTTP {response.status} in {latency(response.seconds)}")


def _wrong_status(request: Request, response: Response) -> CheckResult:
    if len(request.status) == 1 and (wrong := status_failure(response, request.status[0])):
        return wrong
    expected = " or ".join(str(status) for status in request.status)
    return failed(f"HTTP {response.status}: {response.excerpt}", f"HTTP {expected}")


def _differences(request: Request, response: Response, values: Mapping[str, Any]) -> Iterator[str]:
    yield from _header_differences(request, response)
    if request.within is not None and response.seconds > request.within.total_seconds():
        budget = request.within.total_seconds()
        yield f"took {latency(response.seconds)}, more than {latency(budget)}"
    if request.contains is not None and (text := fill_text(request.contains, values)) not in response.body:
        yield f"the body does not contain {text!r}: {response.excerpt}"
    yield from _error_page(response)
    if request.json_ or request.shape or request.jsonpath or request.schema_ is not None:
        yield from json_differences(request, response.json(), values)
    yield from _html_differences(request, response, values)


def _header_differences(request: Request, response: Response) -> Iterator[str]:
    for name, pattern in request.response_headers.items():
        value = response.headers.get(name.lower())
        if pattern is False:
            if value is not None:
                yield f"the header {name} is present: {shown(value)}"
        elif value is None:
            yield f"the header {name} is missing"
        elif not re.search(pattern, value):
            yield f"the header {name} is {shown(value)}, which does not match {pattern!r}"


def _error_page(response: Response) -> Iterator[str]:
    """A page that shows an error with the status of a success."""
    if response.ok and response.headers.get("content-type", "").lower().startswith("text/html"):
        error = next((error for error in ERRORS if error in response.body), None)
        if error:
            yield f"the page shows an error ({error})"


def _html_differences(request: Request, response: Response, values: Mapping[str, Any]) -> Iterator[str]:
    if not request.html:
        return
    kind = response.headers.get("content-type", "no content type")
    if "html" not in kind.lower():
        yield f"{kind} instead of HTML"
        return
    from cartctl.adapters.documents.html import Page

    page = Page(response.body)
    for selector, condition in request.html.items():
        reason = _element_difference(condition, page.select(selector), values)
        if reason:
            yield f"{selector} {reason}"


def _element_difference(
    condition: HtmlCondition, elements: "list[Element]", values: Mapping[str, Any]
) -> str | None:
    count = len(elements)
    if condition.exists is False or condition.count == 0:
        return f"matches {count} elements, expected none" if count else None
    if condition.count is not None and count != condition.count:
        return f"matches {count} elements, not {condition.count}"
    if condition.min_count is not None and count < condition.min_count:
        return f"matches {count} elements, less than {condition.min_count}"
    if not elements and condition.min_count != 0:
        return "matches no element"
    name = condition.attribute
    texts = [one.text if name is None else one.attributes.get(name) for one in elements]
    return _text_difference(condition, [text for text in texts if text is not None], values)


def _text_difference(condition: HtmlCondition, texts: list[str], values: Mapping[str, Any]) -> str | None:
    if condition.attribute is not None and not texts:
        return f"has no attribute {condition.attribute}"
    first = shown(texts[0]) if texts else "empty"
    if condition.contains is not None:
        text = fill_text(condition.contains, values)
        if not any(text in one for one in texts):
            return f"is {first}, which does not contain {text!r}"
    if condition.matches is not None and not any(re.search(condition.matches, one) for one in texts):
        return f"is {first}, which does not match {condition.matches!r}"
    return None


def captured_values(request: Request, response: Response) -> dict[str, Any]:
    """The values that a request captures, registered as secrets. Raises MalformedResponse if one is missing."""
    return {name: _captured(name, source, response) for name, source in request.capture.items()}


def _captured(name: str, source: Capture, response: Response) -> Any:
    value = _source_value(source, response)
    if value is not None and source.pattern is not None:
        matched = re.search(source.pattern, str(value))
        value = matched[1] if matched else None
    if value is None:
        place = source.jsonpath or f"the header {source.header}"
        raise MalformedResponse(f"The response has nothing to capture as {name!r}: {place} does not match.")
    if source.secret and isinstance(value, str):
        register(value)
    return value


def _source_value(source: Capture, response: Response) -> Any:
    if source.header is not None:
        return response.headers.get(source.header.lower())
    from cartctl.adapters.documents.json_path import find_values

    matches = find_values(source.jsonpath or "", response.json())
    return matches[0] if matches else None
