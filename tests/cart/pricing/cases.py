"""Cases as data: tests/cases/quote/*.json, each a document in the quote's format with what it must come to."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "cases/quote"
TOP = {"currency": "USD", "taxMode": "exclusive", "taxRounding": "per_line", "taxShipping": False}
ADDRESS = {"country": "US", "state": None, "city": None, "postalCode": None}


def cases(*names: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every case of some files, as what it says, its document and what is expected of the answer."""
    return [
        (f"{name}: {case['says']}", completed(case["quote"]), case["expect"])
        for name in names
        for case in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    ]


def completed(quote: dict[str, Any]) -> dict[str, Any]:
    """A case's document with what its format asks for and the case does not care about."""
    rows: dict[str, dict[str, Any]] = {
        "lines": {"id": "l{n}", "productId": "p{n}", "quantity": 1},
        "promotions": {"id": "P{n}", "code": "CODE{n}", "value": "0"},
        "taxRates": {"id": "t{n}", "name": "T{n}", "country": "US", "taxType": "SALES_TAX"},
        "shippingZones": {"id": "z{n}", "name": "Z{n}"},
    }
    filled = {name: numbered(quote.get(name, []), template) for name, template in rows.items()}
    for zone in filled["shippingZones"]:
        zone["rules"] = numbered(zone.get("rules", []), {"id": "r{n}", "name": "R{n}", "baseRate": "0"})
    return TOP | {"now": "2026-03-01T12:00:00Z", "shipTo": ADDRESS} | quote | filled


def numbered(rows: list[dict[str, Any]], template: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows with a template's fields, counted from 1 where it says {n}."""
    return [
        {
            name: value.format(n=number) if isinstance(value, str) else value
            for name, value in template.items()
        }
        | row
        for number, row in enumerate(rows, start=1)
    ]


def differences(expected: Any, result: Any, path: str = "") -> list[str]:
    """Where an answer is not as expected; an object may hold more than is expected of it."""
    if isinstance(expected, dict) and isinstance(result, dict):
        return [
            message
            for key, value in expected.items()
            for message in differences(value, result.get(key, "nothing"), f"{path}.{key}")
        ]
    if isinstance(expected, list) and isinstance(result, list) and len(expected) == len(result):
        return [
            message
            for index, (one, other) in enumerate(zip(expected, result, strict=True))
            for message in differences(one, other, f"{path}[{index}]")
        ]
    return [] if expected == result else [f"{path}: {result}, not {expected}"]


def short(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with the forms that cases are quick to write in: `nets`, `line_taxes`, and `why` by promotion id."""
    return answer | {
        "nets": [line["net"] for line in answer["lines"]],
        "line_taxes": [line["tax"] for line in answer["lines"]],
        "tax_amounts": [f"{tax['name']} {tax['amount']}" for tax in answer["taxes"]],
        "why": {result["id"]: result["reason"] or result["amount"] for result in answer["promotions"]},
        "rule": answer["shipping"]["ruleId"] if answer["shipping"] else None,
        "zone": answer["shipping"]["zoneId"] if answer["shipping"] else None,
    }
