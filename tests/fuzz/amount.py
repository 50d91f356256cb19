"""How many examples each fuzz test runs: few by default; `make fuzz` raises them by CARTCTL_FUZZ."""

import os

EXAMPLES = int(os.environ.get("CARTCTL_FUZZ", "40"))
