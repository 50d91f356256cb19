"""Any response of a service or program ends in a value or in an error of ours, never in a bug."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cartctl.adapters.command_logs import CommandTail
from cartctl.adapters.http.body import BodyInvalid, BodyTooLarge, decode, read_body
from cartctl.adapters.http.client import Http, Response
from cartctl.adapters.metrics.prometheus_response import (
    ResponseInvalid,
    instant,
    only_range,
    result_of,
    top_boundary,
)
from cartctl.adapters.metrics.scrape import parse
from cartctl.adapters.metrics.source import MetricsFailed
from cartctl.adapters.pgbackrest import read_catalogue
from cartctl.adapters.redis import RedisCache
from cartctl.adapters.supervisor.cluster import Processes
from cartctl.checks.smoke.responses import judge_response
from cartctl.checks.smoke.suite_model import Request
from cartctl.config.model.monitoring import Logs
from cartctl.errors import CartctlError
from cartctl.inputs import InvalidInput, parse_json
from cartctl.monitoring.logs import LogRules
from cartctl.monitoring.probes import judge_path
from cartctl.snapshots.backup_providers import _parsed, _Status
from tests.fuzz.amount import FUZZ, JSON, NUMBERS, mutated
from tests.web import Reply, Web, serve

POINTS = st.one_of(JSON, st.lists(NUMBERS, min_size=2, max_size=2))
SERIES = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {},
        optional={
            "metric": JSON,
            "value": POINTS,
            "values": st.lists(POINTS, max_size=3),
            "histogram": POINTS,
        },
    ),
    st.builds(lambda le, value: {"metric": {"le": le}, "value": value}, st.one_of(NUMBERS, JSON), POINTS),
)
RESPONSES = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"status": st.sampled_from(("success", "error"))},
        optional={
            "data": st.one_of(
                JSON, st.fixed_dictionaries({"result": st.one_of(JSON, st.lists(SERIES, max_size=3))})
            ),
            "warnings": JSON,
            "error": JSON,
            "isPartial": JSON,
        },
    ),
)
METRICS = (
    '# TYPE http_requests_total counter\nhttp_requests_total{method="GET",status="200"} 3 1790000000\n'
    'http_request_duration_seconds_bucket{le="0.5"} 2\nhttp_request_duration_seconds_count 7\n'
)
CATALOGUE = '[{"name": "s", "status": {"code": 0, "message": "ok"}, "archive": [{"max": "1"}], "backup": [{"label": "b", "timestamp": {"stop": 1790000000}, "info": {"size": 5}, "lsn": {"stop": "0/1"}, "annotation": {"cartctl": "x"}, "error": false}]}]'
STATUS = '{"backups": [{"id": "b", "created_at": "2026-12-01T00:00:00Z", "bytes": 5}], "point_in_time": true}'
SUPERVISED = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("deployments", "pods", "logs", "data", "images", "version", "message"), JSON),
    ),
)


@FUZZ
@given(st.sampled_from((200, 400, 503)), RESPONSES)
def test_prometheus(status: int, body: object) -> None:
    """Instant and range results, boundaries included."""
    with suppress(ResponseInvalid):
        result = result_of(status, body)
        for read in (lambda: top_boundary(instant(result)), lambda: only_range(result)):
            with suppress(ResponseInvalid):
                read()


@FUZZ
@given(mutated('{"status": "success", "data": {"result": [[1, "2"]]}}'))
def test_json(content: bytes) -> None:
    """A body that is to be JSON."""
    with suppress(InvalidInput):
        json.dumps(parse_json(content.decode("utf-8", "surrogateescape")), allow_nan=False)


@FUZZ
@given(mutated(METRICS))
def test_metrics_text(content: bytes) -> None:
    """`/metrics` of a pod."""
    with suppress(MetricsFailed):
        parse(content.decode("utf-8", "replace"))


@FUZZ
@given(
    st.lists(st.binary(max_size=60), max_size=4),
    st.sampled_from(("gzip", "deflate", "br", "", "a,b")),
    st.text(),
)
def test_http_body(chunks: list[bytes], encoding: str, content_type: str) -> None:
    """Compression and charsets."""
    with suppress(BodyInvalid, BodyTooLarge):
        decode(read_body(chunks, encoding, 100), f"text/html; charset={content_type}")


@FUZZ
@given(JSON, st.text(max_size=20))
def test_smoke_response(body: object, path: str) -> None:
    """What a suite's request, or a critical path, is answered with."""
    request = Request(name="r", path="/", json={path: 1}, shape={path: "number"})
    response = Response(200, {}, json.dumps(body))
    for read in (lambda: judge_response(request, response), lambda: judge_path("auth", response, token=True)):
        with suppress(CartctlError):
            read()


@FUZZ
@given(mutated(STATUS))
def test_backup_command(content: bytes) -> None:
    """The JSON of a backup command."""
    with suppress(CartctlError):
        _parsed(_Status, content.decode("utf-8", "replace"))


@FUZZ
@example(
    b'[{"name": "s", "status": {"code": 0, "message": "ok"}, "backup": [{"label": [], "timestamp": {"stop": 1e18}}]}]'
)
@given(
    st.one_of(
        mutated(CATALOGUE),
        st.builds(
            lambda key, value: json.dumps([{**json.loads(CATALOGUE)[0], key: value}]).encode(),
            st.sampled_from(("status", "archive", "backup")),
            JSON,
        ),
    )
)
def test_pgbackrest_catalogue(content: bytes) -> None:
    """The JSON of pgBackRest's `info`."""
    with suppress(CartctlError):
        assert isinstance(read_catalogue(content.decode("utf-8", "replace"), "s").lacking, str)


@FUZZ
@example(b"2026-12-01T02:00:00\x80Z ERROR cart 7 is lost")
@given(
    mutated(
        "2026-12-01T02:00:00Z ERROR cart 7 is lost",
        "9999-12-31T23:59:59-12:00 x",
        "0001-01-01T00:00:00+14:00 x",
    )
)
def test_log_line(line: bytes) -> None:
    """A line of a log."""
    read = CommandTail(["true"], since=60)._line((datetime.now(UTC), line))
    LogRules.of(Logs()).match(read.text if read else "")


@FUZZ
@given(
    st.one_of(
        st.text(max_size=60),
        st.builds(
            "redis{}://{}127.0.0.1:{}/{}?{}={}".format,
            st.sampled_from(("", "s")),
            st.sampled_from(("", "u:p@", "u:p/w@", ":@")),
            st.sampled_from(("1", "99999", "x", "")),
            st.sampled_from(("0", "x", "-1")),
            st.sampled_from(
                ("db", "socket_timeout", "protocol", "ssl_ca_certs", "encoding", "foo", "retry_on_error")
            ),
            st.text(max_size=8),
        ),
    )
)
def test_redis_address(url: str) -> None:
    """A Redis URL with any options: an error of ours, for the configuration or for the connection."""
    local = "127.0.0.1" in url
    with suppress(CartctlError):
        cache = RedisCache(url, timeout=0.1)  # what is wrong with the URL shows at once
        if local:  # nobody listens on these ports
            cache.ready(["cart:*"])


@FUZZ
@given(
    st.sampled_from(("ALL_PROXY", "https_proxy", "NO_PROXY")),
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
        st.builds(
            "{}://{}:{}".format,
            st.sampled_from(("http", "socks5h", "ftp", "")),
            st.text("ab[]:%@.", max_size=9),
            st.text("09x", max_size=6),
        ),
    ),
)
def test_proxy_variables(name: str, value: str) -> None:
    """Whatever stands in a proxy variable."""
    previous = os.environ.get(name)
    os.environ[name] = value
    try:
        with suppress(CartctlError):
            Http("http://api.invalid")._client("http://api.invalid/").close()
    finally:
        os.environ.pop(name)
        if previous is not None:
            os.environ[name] = previous


@pytest.fixture(scope="module")
def supervisor() -> Iterator[tuple[Web, list[str]]]:
    """A service whose response is the last of a list."""
    bodies = ["{}"]
    with serve(lambda _: Reply(bodies[-1], headers={"Content-Type": "application/json"})) as web:
        yield web, bodies


@FUZZ
@given(body=SUPERVISED)
def test_supervisor(supervisor: tuple[Web, list[str]], body: object) -> None:
    """The control API of the sandbox."""
    web, bodies = supervisor
    bodies.append(json.dumps(body))
    cluster = Processes(web.url, "secret")
    for read in (
        cluster.deployments,
        cluster.images,
        lambda: cluster.pods("a"),
        lambda: cluster.settings("a"),
        lambda: cluster.logs("a", lines=1, failing=True),
        lambda: cluster.revisions("a"),
        lambda: cluster.capacity(["deployment/a"]),
        lambda: cluster.put_settings("a", {"b": "c"}, expected={"b": None}),
    ):
        with suppress(CartctlError):
            read()
