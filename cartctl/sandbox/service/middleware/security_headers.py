"""Headers that every response carries: a browser runs nothing, embeds nothing, and keeps nothing that a company's admin saw."""

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from cartctl.sandbox.service.middleware.traffic import App, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from jinja2 import Environment

LAYOUT = "layout.html"
STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
PLAIN = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PRIVATE = {
    "Cache-Control": "no-store",
    "Vary": "Authorization",
}  # the same address shows each company its own


class SecurityHeaders:
    """Adds the headers to each response that has not set them itself, errors and refusals included."""

    def __init__(self, app: App, *, style: str = "") -> None:
        """`style` is the digest of the only style sheet that may be used, as `style_digest` gives it."""
        allowed = f"; style-src 'sha256-{style}'" if style else ""
        known = {**PLAIN, "Content-Security-Policy": POLICY + allowed, **PRIVATE}
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in known.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI call."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message.get("headers", ())}
                added = [header for header in self._headers if header[0] not in there]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        await self._app(scope, receive, secured if scope["type"] == "http" else send)


def style_digest(templates: "Environment") -> str:
    """The SHA-256 of the layout's style sheet, which is inline, in base64."""
    source = templates.loader.get_source(templates, LAYOUT)[0] if templates.loader else ""
    match = STYLE.search(source)
    text = match.group(1) if match else ""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
