"""`python -m cartctl`."""

from cartctl.cli import main

main()
