"""Write the generated pages: `make docs`."""

from tests.docs.pages import DIRECTORY, PAGES


def main() -> None:
    """Write each page anew."""
    for name, page in PAGES.items():
        (DIRECTORY / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
