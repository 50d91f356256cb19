"""Lines of every log format, marked error or not, and stack traces that belong to their first line."""

from pathlib import Path

import pytest

from cartctl.adapters.log_lines import LogLine
from cartctl.config.model.monitoring import Logs
from cartctl.monitoring.log_groups import fold
from cartctl.monitoring.log_levels import Level, parse_line, without_colour
from cartctl.monitoring.logs import LogRules, Tally

CASES = Path(__file__).parents[1] / "cases" / "logs" / "lines.txt"
RULES = LogRules.of(Logs())


def marked_lines() -> list[tuple[str, str]]:
    """Each line of the file with its mark: the pattern that it matches, or `-`."""
    lines = CASES.read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    return [(mark, text.replace("\\e", "\x1b")) for mark, text in pairs]


@pytest.mark.parametrize(("mark", "text"), marked_lines())
def test_a_line_of_any_format_counts_as_marked(mark: str, text: str) -> None:
    """By level and pattern, with or without colour."""
    assert (RULES.match(without_colour(text)) or "-") == mark


@pytest.mark.parametrize(
    ("text", "level", "logger", "message"),
    (
        ('{"level":50,"name":"cart","msg":"no"}', Level.ERROR, "cart", "no"),
        ('{"level":"30","msg":"no"}', Level.INFO, "", "no"),
        ('{"level":"error","ts":1.5,"logger":"cart.api","msg":"no"}', Level.ERROR, "cart.api", "no"),
        ('{"severity":"CRITICAL","message":"no"}', Level.CRITICAL, "", "no"),
        ('{"log":{"level":"warn","logger":"a.B"},"message":"no"}', Level.WARNING, "a.B", "no"),
        ('{"log.level":"ERROR","log.logger":"a.B","message":"no"}', Level.ERROR, "a.B", "no"),
        ('{"severityNumber":17,"body":"no"}', Level.ERROR, "", "no"),
        ('{"level":3,"short_message":"no","message":"no"}', Level.ERROR, "", "no"),
        ('{"msg":"no","err":{"type":"TypeError","message":"x"}}', Level.ERROR, "", "no: TypeError: x"),
        ("E0101 12:00:00.000001       1 cart.go:10] no", Level.ERROR, "cart.go:10", "no"),
        ('level=warn logger=cart msg="no \\"x\\""', Level.WARNING, "cart", 'no \\"x\\"'),
        ("2026-01-01 00:00:00,123 - shop.cart - ERROR - no", Level.ERROR, "shop.cart", "no"),
        ("WARNING:shop.cart:no", Level.WARNING, "shop.cart", "no"),
        ("2026-01-01 00:00:00,123 ERROR [main] com.shop.Cart - no", Level.ERROR, "com.shop.Cart", "no"),
        ("2026-01-01T00:00:00.1Z ERROR 1 --- [main] com.shop.Cart : no", Level.ERROR, "", None),
        ("something happened", None, "", "something happened"),
    ),
)
def test_level_logger_and_message_are_read(
    text: str, level: Level | None, logger: str, message: str | None
) -> None:
    """In each format."""
    parsed = parse_line(text)
    assert parsed.level == level
    if message is not None:
        assert (parsed.logger, parsed.message) == (logger, message)


@pytest.mark.parametrize(
    "text", ("{" * 5000 + "}", '{"level":[]}', '{"level":1e999}', "\x1b[", '{"a":1', "=", "level=", "[" * 50)
)
def test_any_line_is_read(text: str) -> None:
    """Damaged JSON and half escape sequences are plain text."""
    parse_line(without_colour(text))
    fold(text)


def lines(*texts: str, pod: str = "p", at: str = "2026-01-01T00:00:00Z") -> list[LogLine]:
    """Lines of one container."""
    return [LogLine(at, pod, "c", text) for text in texts]


NODE = (
    "TypeError: Cannot read properties of undefined (reading 'cart')",
    "    at total (/app/cart.js:10:5)",
    "    at process.processTicksAndRejections (node:internal/process/task_queues:95:5) {",
    "  code: 'P2002',",
    "}",
)
PYTHON = (
    "ERROR:shop.api:request failed",
    "Traceback (most recent call last):",
    '  File "/app/cart.py", line 3, in total',
    "    raise CartNotFoundError(1)",
    "shop.CartNotFoundError: 1",
    "",
    "During handling of the above exception, another exception occurred:",
    "",
    "Traceback (most recent call last):",
    '  File "/app/api.py", line 3, in get',
    "KeyError: 'cart'",
)
JAVA = (
    "2026-01-01 12:00:00,123 ERROR [main] com.shop.Api - request failed java.lang.IllegalStateException: no",
    "\tat com.shop.Cart.total(Cart.java:10)",
    "Caused by: com.shop.CartLockedException: 7",
    "\t... 12 more",
)


@pytest.mark.parametrize("trace", (NODE, PYTHON, PYTHON[1:], JAVA))
def test_a_stack_trace_belongs_to_its_first_line(trace: tuple[str, ...]) -> None:
    """It counts once, on its first line, also if only the trace mentions the cart; an ordinary line after it is another event."""
    tally = Tally(RULES)
    hits = tally.take(lines(*trace, "INFO cart converted", "ERROR cart 7"))
    assert [number for number, hit in enumerate(hits) if hit.pattern] == [0, len(hits) - 1]
    assert sum(tally.summary().matches.values()) == 2


def test_a_trace_that_arrives_later_counts_once() -> None:
    """Following reads a line at a time."""
    tally = Tally(RULES)
    patterns = [tally.take(lines(text))[0].pattern for text in (*PYTHON, "INFO fine")]
    assert [bool(one) for one in patterns] == [False, False, True, *[False] * 9]
    assert tally.summary().matches == {"cart": 1}


def test_containers_are_apart() -> None:
    """A trace of one container does not continue the line of another."""
    tally = Tally(RULES)
    mixed = [
        *lines("ERROR request failed"),
        *lines("INFO fine", pod="q"),
        *lines("    at cart.js:1"),
        *lines("    at cart.js:1", pod="q"),
    ]
    assert [hit.pattern for hit in tally.take(mixed)] == ["cart", None, None, None]


@pytest.mark.parametrize(
    ("message", "folded"),
    (
        ("cart 12 of customer 7 failed after 1.5 s", "cart <n> of customer <n> failed after <n> s"),
        ("cart 0b9a7a52-1111-4222-8333-0123456789ab gone", "cart <id> gone"),
        ("cart clx2k9d8f0000qwerty123456 gone", "cart <id> gone"),
        ("at 2026-01-01T00:00:00.123Z cart", "at <time> cart"),
        ("commit deadbeef12 of P2002", "commit <id> of P<n>"),
        ("recommendation failed", "recommendation failed"),
    ),
)
def test_numbers_and_ids_are_folded(message: str, folded: str) -> None:
    """Words stay words."""
    assert fold(message) == folded


def test_similar_messages_are_one_group_with_its_times_and_an_example() -> None:
    """Whatever their numbers and ids."""
    tally = Tally(RULES)
    for minute, cart in enumerate((12, 7, 99)):
        text = f'{{"level":50,"name":"api","time":{minute},"msg":"cart {cart} not priced"}}'
        tally.take(lines(text, at=f"2026-01-01T00:0{minute}:00Z"))
    tally.take(lines("\x1b[31mERROR\x1b[0m ecommerce down", at="2026-01-01T00:05:00Z"))
    first, second = tally.summary().groups
    assert (first.message, first.logger, first.count) == ("cart <n> not priced", "api", 3)
    assert (first.first, first.last) == ("2026-01-01T00:00:00Z", "2026-01-01T00:02:00Z")
    assert '"cart 12 not priced"' in first.example
    assert (second.count, second.example) == (1, "ERROR ecommerce down")


def test_patterns_and_the_level_are_configurable() -> None:
    """Another feature's names, a lower level, and what counts at any level."""
    settings = Logs(patterns={"basket": "basket"}, always={"oom": "OOMKilled"}, level="warning")
    rules = LogRules.of(settings)
    assert rules.match("WARN basket slow") == "basket"
    assert rules.match("INFO basket fine") is None
    assert rules.match("ERROR cart") is None
    assert rules.match("INFO container OOMKilled") == "oom"


def test_an_invalid_pattern_is_a_configuration_error() -> None:
    """It is named when the file is read."""
    with pytest.raises(ValueError, match="regular expression"):
        Logs(patterns={"basket": "("})


def test_memory_stays_bounded() -> None:
    """Messages that are all different are counted, and only a thousand groups are kept."""
    tally = Tally(RULES)
    words = [f"{chr(97 + i // 676 % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}" for i in range(1500)]
    tally.take(line for word in words for line in lines(f"ERROR cart {word}"))
    summary = tally.summary()
    assert (summary.matches["cart"], len(summary.groups), summary.other) == (1500, 20, 500)


@pytest.mark.parametrize(
    ("number", "level"),
    (
        (0, Level.ERROR),
        (3, Level.ERROR),
        (4, Level.WARNING),
        (5, Level.INFO),
        (7, Level.INFO),
        (9, Level.INFO),
        (10, Level.DEBUG),
        (30, Level.INFO),
        (40, Level.WARNING),
        (50, Level.ERROR),
        (60, Level.CRITICAL),
    ),
)
def test_small_numbers_count_down_and_larger_ones_up(number: int, level: Level) -> None:
    """As syslog's severities, and as pino's levels."""
    assert parse_line(f'{{"level": {number}, "msg": "x"}}').level is level
