"""A browser without scripts: cookies, links, and forms with the fields that their page gave them."""

import http.client
import re
from html import unescape
from urllib.parse import urlencode, urlsplit

from cartctl.adapters.http.response import Response

_FORM = re.compile(r'<form method="post" action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_FIELD = re.compile(r'<input[^>]* name="([^"]*)"(?:[^>]* value="([^"]*)")?')


class Browser:
    """One visitor. `body` and `status` are those of the page that is shown."""

    def __init__(self, url: str, token: str = "") -> None:
        self._place = urlsplit(url).netloc
        self._token = token
        self.cookies: dict[str, str] = {}
        self.path, self.body, self.status = "/", "", 0

    def open(self, path: str) -> Response:
        """Show a page."""
        return self._show(path, self.get(path))

    def submit(self, action: str, **changed: str) -> Response:
        """Send the first form on the page whose action ends with, or contains, `action`; then show what follows."""
        path, fields = self._form(action, changed.get("product", ""))
        answer = self.post(path, **{**fields, **changed})
        while answer.status == 303:
            path = answer.headers["location"]
            answer = self.get(path)
        return self._show(path, answer)

    def fields(self, action: str) -> dict[str, str]:
        """The fields of a form on the page."""
        return self._form(action, "")[1]

    def get(self, path: str) -> Response:
        """A request of its own, which leaves the page as it is."""
        return self._send("GET", path, None)

    def post(self, path: str, **fields: str) -> Response:
        """Send fields as a form."""
        return self.post_raw(path, urlencode(fields).encode())

    def post_raw(self, path: str, body: bytes) -> Response:
        """Send anything as a form."""
        return self._send("POST", path, body)

    def _form(self, action: str, product: str) -> tuple[str, dict[str, str]]:
        for path, inside in _FORM.findall(self.body):
            fields = {name: unescape(value) for name, value in _FIELD.findall(inside)}
            if action in path and product in {"", fields.get("product", product)}:
                return unescape(path), fields
        raise AssertionError(f"no form {action} on {self.path}: {self.body}")

    def _show(self, path: str, answer: Response) -> Response:
        self.path, self.body, self.status = path, answer.body, answer.status
        return answer

    def _send(self, method: str, path: str, body: bytes | None) -> Response:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = http.client.HTTPConnection(self._place, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text, 0.0)
