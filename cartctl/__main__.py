"""The way in: `cartctl`, and `python -m cartctl`."""

import signal


def main() -> None:
    """Run one command line. Ctrl-C while it is still being loaded ends it without a word, where Python would show a traceback."""
    former = signal.getsignal(signal.SIGINT)
    if former is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cartctl.cli import main as run

    signal.signal(signal.SIGINT, former)
    run()


if __name__ == "__main__":
    main()
