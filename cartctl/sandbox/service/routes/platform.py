"""The platform as it is before the cart: sessions, products, and the health of payments and orders."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse

from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.middleware.tokens import Bearer, Tokens
from cartctl.sandbox.service.settings import Settings

Authorization = Annotated[str, Header(include_in_schema=False)]
Text = Annotated[
    str, Query(min_length=1, max_length=200, pattern="^[^\\x00]+$")
]  # no text in the database can contain NUL

UNAUTHORIZED = {"WWW-Authenticate": "Bearer"}


def unauthorized() -> JSONResponse:
    """The response without a valid token."""
    return JSONResponse({"error": "unauthorized"}, status_code=401, headers=UNAUTHORIZED)


def routes(settings: Settings, data: Data, tokens: Tokens) -> APIRouter:
    """The routes every version of the API has."""
    router = APIRouter()

    @router.get("/api/auth/session")
    def session(authorization: Authorization = "") -> Response:
        bearer = tokens.bearer(authorization)
        return JSONResponse(_session(bearer)) if bearer else unauthorized()

    @router.get("/api/payments/health")
    async def payments() -> Response:
        """The health of payments."""
        down = settings.variant == "payments-down"
        return JSONResponse({"status": "down" if down else "ok"}, status_code=503 if down else 200)

    @router.get("/api/orders/health")
    def orders() -> dict[str, Any]:
        [rows] = data.rows("SELECT count(*) AS pending FROM orders WHERE status = 'PENDING'")
        return {"status": "ok", "pending": rows["pending"]}

    @router.get("/api/products")
    def products(company: Text = "avnz") -> list[dict[str, Any]]:
        rows = data.rows(
            """SELECT id, name, category, price, stock FROM products
               WHERE "companyId" = %(company)s ORDER BY name, id LIMIT 24""",
            {"company": company},
        )
        return [{**row, "price": str(row["price"])} for row in rows]

    return router


def _session(bearer: Bearer) -> dict[str, Any]:
    return {
        "user": {"id": bearer.user, "email": bearer.email, "role": "admin" if bearer.admin else "member"},
        "company": {"id": bearer.company, "name": bearer.company_name},
    }
