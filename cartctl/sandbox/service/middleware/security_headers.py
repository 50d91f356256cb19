"""Headers that every response carries: a browser loads nothing of others, embeds nothing, and keeps nothing that an admin saw."""

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
}  # the same address shows each company its own


class SecurityHeaders:
    """Adds the headers to each response that has not set them itself, errors and refusals included."""

    def __init__(self, app: App, *, pages: bool = False) -> None:
        """`pages` may load the service's own style sheet and script, and send forms to it."""
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
