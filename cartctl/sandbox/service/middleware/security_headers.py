"""Headers of every response.

A browser loads nothing from other sites, does not embed the pages, and does not cache admin pages.
"""

from cartctl.sandbox.service.middleware.traffic import App, Message, Receive, Scope, Send

PLAIN = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NOTHING = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
POLICY = f"{NOTHING}; form-action 'none'"
PAGES = f"{NOTHING}; form-action 'self'; style-src 'self'; script-src 'self'; img-src 'self'"
PRIVATE = {
    "Cache-Control": "no-store",
    "Vary": "Authorization, Cookie",
}  # the same address shows each company its own data


class SecurityHeaders:
    """Adds the headers to every response, including errors, unless it has set them itself."""

    def __init__(self, app: App, *, pages: bool = False) -> None:
        """`pages` may load the service's own style sheet and script, and submit forms to it."""
        known = {**PLAIN, "Content-Security-Policy": PAGES if pages else POLICY, **PRIVATE}
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in known.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI call."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message.get("headers", ())} - {b"vary"}
                added = [header for header in self._headers if header[0] not in there]
                own = [header for header in message.get("headers", ()) if header[0].lower() != b"vary"]
                message = {**message, "headers": [*own, *added]}
            await send(message)

        await self._app(scope, receive, secured if scope["type"] == "http" else send)
