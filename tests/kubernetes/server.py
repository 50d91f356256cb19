"""The Kubernetes API over real HTTP, small: what cartctl asks for, and whatever can go wrong on the way."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.kubernetes.store import ApiFault, Item, Store, json_patch, merge_patch

VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
KINDS = {"deployments": "Deployment"}


class Dropped(Exception):
    """The connection is closed without an answer."""


@dataclass(frozen=True)
class Request:
    """What was asked, as RBAC sees it."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    path: str


class Quiet(ThreadingHTTPServer):
    """A server whose clients may be killed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is its client's matter."""


class Server:
    """One API server on loopback; `store` is what it keeps. The other attributes are what a test may turn."""

    def __init__(self) -> None:
        self.store = Store()
        self.token = "first-token"
        self.requests: list[Request] = []
        self.fault: Callable[[Request], None] = lambda _: None  # may raise ApiFault or Dropped
        self.denied: set[tuple[str, str]] = set()  # (verb, resource)
        self.watch_seconds = 60.0
        self.page = 500
        self.proxy: Callable[[str, str, dict[str, str]], tuple[int, dict[str, str], str]] = (
            lambda _pod, _path, _headers: (200, {}, "ok")
        )
        self.logs: Callable[[str, str, bool], list[tuple[str, str]]] = lambda *_: []
        self.port = 0
        self._http: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen, on the same port as before."""
        http = Quiet(("127.0.0.1", self.port), type("Bound", (Handler,), {"server_": self}))
        http.daemon_threads = True
        http.block_on_close = False
        self.port = http.server_address[1]
        self._http = http
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be gone: no new connection, and those that are open end."""
        if self._http is not None:
            http, self._http = self._http, None
            http.shutdown()
            http.server_close()
            with self.store.guard:
                self.store.changed.notify_all()

    @property
    def up(self) -> bool:
        """Whether it listens."""
        return self._http is not None

    def kubeconfig(self, path: Path, *, namespace: str = "production") -> Path:
        """Write a kubeconfig with the context `test` for it."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "u", "user": {"token": self.token}}],
            "contexts": [
                {"name": "test", "context": {"cluster": "c", "user": "u", "namespace": namespace}},
                {"name": "other", "context": {"cluster": "c", "user": "u"}},
            ],
        }
        path.write_text(json.dumps(document), encoding="utf-8")
        return path


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server_: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Tests say what they saw themselves."""

    def do_GET(self) -> None:
        """Get, list, watch, logs and proxies."""
        self._serve()

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the base class's names

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        try:
            self._answer(body)
        except Dropped:
            self.close_connection = True
        except ApiFault as fault:
            self._send(fault.status, fault.as_status(), fault.headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, body: Any) -> None:
        server, parts = self.server_, urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        request, rest = self._read(parts.path, query)
        server.requests.append(request)
        if not server.up:
            raise Dropped
        server.fault(request)
        if self.headers.get("Authorization", "").lower() != f"bearer {server.token}":
            raise ApiFault(401, "Unauthorized", "Unauthorized")
        if request.resource == "selfsubjectaccessreviews":
            result = body["spec"]["resourceAttributes"]
            resource = "/".join(part for part in (result["resource"], result.get("subresource")) if part)
            return self._send(
                201, {**body, "status": {"allowed": (result["verb"], resource) not in server.denied}}
            )
        if (request.verb, request.resource) in server.denied:
            result = f'{request.resource} is forbidden: User "u" cannot {request.verb} resource "{request.resource}"'
            raise ApiFault(403, "Forbidden", result)
        return self._act(request, rest, query, body)

    def _read(self, path: str, query: dict[str, str]) -> tuple[Request, str]:
        words = [unquote(word) for word in path.split("/")[1:]]
        group = words[1] if words[0] == "apis" else ""
        words = words[3:] if group else words[2:]
        if words[0] != "namespaces" or len(words) == 2:
            name = words[1] if len(words) > 1 else ""
            return Request(VERBS[self.command], group, words[0], name, name, path), ""
        namespace, resource, *more = words[1:]
        name, below, rest = (more[0] if more else ""), (more[1] if len(more) > 1 else ""), "/".join(more[2:])
        verb = VERBS[self.command]
        if verb == "get" and not name:
            verb = "watch" if query.get("watch") else "list"
        return Request(verb, group, f"{resource}/{below}" if below else resource, namespace, name, path), rest

    def _act(self, request: Request, rest: str, query: dict[str, str], body: Any) -> None:  # noqa: PLR0911 - a table
        store, at = self.server_.store, (request.resource, request.namespace)
        match request.resource, request.verb:
            case "namespaces", _:
                return self._send(200, store.get("namespaces", "", request.name))
            case "pods/proxy", _:
                return self._proxied(request.name.partition(":")[0], f"/{rest}")
            case "pods/log", _:
                return self._logs(request, query)
            case _, "list":
                return self._list(at, query)
            case _, "watch":
                return self._watch(at, query)
            case _, "get":
                return self._send(200, store.get(*at, request.name))
            case _, "create":
                return self._send(201, store.create(*at, body))
            case _, "delete":
                store.delete(*at, request.name)
                return self._send(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
        patch = json_patch if "json-patch" in self.headers["Content-Type"] else merge_patch
        return self._send(200, store.update(*at, request.name, lambda item: patch(item, body)))

    def _list(self, at: tuple[str, str], query: dict[str, str]) -> None:
        store, (start, version) = self.server_.store, (0, "")
        if token := query.get("continue"):
            start, version = int(token.partition(":")[0]), token.partition(":")[2]
            if int(version) < store.oldest:
                raise ApiFault(410, "Expired", "The provided continue parameter is too old")
        with store.guard:
            results = [
                item
                for item in store.list(*at)
                if _selected(item, query.get("labelSelector", ""))
                and _has_fields(item, query.get("fieldSelector", ""))
            ]
            version = version or str(store.version)
        size = min(int(query.get("limit", self.server_.page)), self.server_.page)
        meta = {"resourceVersion": version}
        if start + size < len(results):
            meta["continue"] = f"{start + size}:{version}"
        self._send(200, {"metadata": meta, "items": results[start : start + size]})

    def _watch(self, at: tuple[str, str], query: dict[str, str]) -> None:
        store, seen = self.server_.store, int(query["resourceVersion"])
        end = time.monotonic() + min(float(query["timeoutSeconds"]), self.server_.watch_seconds)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        gone = False
        while (left := end - time.monotonic()) > 0 and self.server_.up:
            with store.guard:
                gone, now = seen < store.oldest, store.version
                news = [e for e in store.events if e.version > seen and (e.resource, e.namespace) == at]
                if not news and not gone:
                    store.changed.wait(min(left, 0.5))
            if gone:
                fault = ApiFault(410, "Expired", "too old resource version")
                self._chunk({"type": "ERROR", "object": fault.as_status()})
                break
            for event in news:
                self._chunk({"type": event.type, "object": event.item})
            seen = now
        if self.server_.up and not gone and query.get("allowWatchBookmarks"):
            self._chunk({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(seen)}}})
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, event: Item) -> None:
        line = json.dumps(event).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()

    def _proxied(self, pod: str, path: str) -> None:
        self.server_.store.get("pods", urlsplit(self.path).path.split("/")[4], pod)
        headers = {
            name.lower(): value for name, value in self.headers.items() if name.lower() != "authorization"
        }
        status, result, text = self.server_.proxy(pod, path, headers)
        self._text(status, text, result)

    def _logs(self, request: Request, query: dict[str, str]) -> None:
        lines = self.server_.logs(request.name, query["container"], query.get("previous") == "true")
        self._text(200, log_text(lines, query), {})

    def _send(self, status: int, body: Item, headers: dict[str, str] | None = None) -> None:
        self._text(status, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})

    def _text(self, status: int, text: str, headers: dict[str, str]) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _selected(item: Item, selector: str) -> bool:
    labels = item["metadata"].get("labels") or {}
    return all(
        labels.get(key) == value for key, _, value in (s.partition("=") for s in selector.split(",") if s)
    )


def _has_fields(item: Item, selector: str) -> bool:
    def at(path: str) -> Any:
        here: Any = item
        for part in path.split("."):
            here = (here or {}).get(part)
        return here

    return all(at(path) == value for path, _, value in (s.partition("=") for s in selector.split(",") if s))


def log_text(lines: list[tuple[str, str]], query: dict[str, str]) -> str:
    """The lines of a container that a query asks for."""
    if since := query.get("sinceTime"):
        lines = [line for line in lines if line[0][:19] >= since[:19]]
    if count := query.get("tailLines"):
        lines = lines[-int(count) :]
    stamped = query.get("timestamps") == "true"
    return "".join(f"{at} {text}\n" if stamped else f"{text}\n" for at, text in lines)
