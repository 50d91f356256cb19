"""Access tokens of the sandbox's API: an admin of the internal company, and one of another company."""

import hashlib
import json
import secrets

from cartctl.private_files import write_private
from cartctl.rollout.flag_names import FLAGS
from cartctl.sandbox.layout import Layout
from cartctl.sandbox.names import INTERNAL, OUTSIDE


def make_tokens(layout: Layout) -> None:
    """Create both tokens unless they exist; the service stores only their hashes."""
    known = {}
    for path, (company, name) in ((layout.token, INTERNAL), (layout.outside_token, OUTSIDE)):
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
        token = path.read_text(encoding="utf-8").strip()
        known[hashlib.sha256(token.encode()).hexdigest()] = {
            "user": f"{company}-admin",
            "email": f"admin@{company}.example",
            "company": company,
            "company_name": name,
            "admin": True,
        }
    write_private(layout.tokens, json.dumps(known, indent=1))


def make_flags(layout: Layout) -> None:
    """Enable all three features for every company, as in the plan's document, unless flags were already set."""
    path = layout.settings / "cart-flags" / "flags.json"
    if path.exists():
        return
    on = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
    write_private(path, json.dumps({"flags": dict.fromkeys(FLAGS, on)}, indent=2))
