"""The HTTP client, and response bodies with a size limit."""

import sys

# httpx imports its own command line if it can, which doubles its import time.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
