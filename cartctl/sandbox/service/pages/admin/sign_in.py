"""Signing in with an access token, and signing out."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from cartctl.sandbox.service.middleware.tokens import Tokens, digest_of
from cartctl.sandbox.service.pages import session
from cartctl.sandbox.service.pages.admin.access import SIGNED_IN
from cartctl.sandbox.service.pages.forms import Form
from cartctl.sandbox.service.pages.rendering import page

SEE_OTHER = 303
HOME = "/carts"

router = APIRouter()


@router.get("/sign-in")
def show(request: Request) -> Response:
    """The form."""
    return page(request, "sign_in.html", target=HOME, error="")


@router.post("/sign-in")
def sign_in(request: Request, form: Form) -> Response:
    """Sign in; for a token that is not an admin's, show the form again with a message."""
    tokens: Tokens = request.app.state.tokens
    token, target = form.get("token", "").strip(), own_path(form.get("target", ""))
    bearer = tokens.bearer(f"Bearer {token}")
    if bearer is None or not bearer.admin:
        error = "This is not the access token of an admin."
        return page(request, "sign_in.html", status=401, target=target, error=error)
    session.restart(request, **{SIGNED_IN: digest_of(token)})
    return RedirectResponse(target, SEE_OTHER)


@router.post("/sign-out")
def sign_out(request: Request, _form: Form) -> Response:
    """Clear the session."""
    session.restart(request)
    session.say(request, "You have signed out.")
    return RedirectResponse("/sign-in", SEE_OTHER)


def own_path(text: str, otherwise: str = HOME) -> str:
    """A path on this site to redirect to, never another site's address."""
    plain = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if plain else otherwise
