"""The one HTTP client, and response bodies within bounds."""

import sys

# httpx imports its own command line if it can, which takes as long as all the rest of it.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
