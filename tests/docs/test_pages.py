"""The generated pages are those that the code would give now, and their links lead somewhere."""

import re

import pytest

from cartctl.render.run.ndjson import SHOWN_EVENTS
from tests.docs.json_kinds import document_types
from tests.docs.json_page import EVENTS, PRODUCERS, page
from tests.docs.markdown import anchor
from tests.docs.pages import DIRECTORY, PAGES

ROOT = DIRECTORY.parent
DOCUMENTS = [ROOT / "README.md", *sorted(DIRECTORY.glob("*.md"))]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name: str) -> None:
    """A page equals what is generated; `make docs` writes it anew."""
    assert (DIRECTORY / name).read_text(encoding="utf-8") == PAGES[name](), (
        f"docs/{name} is stale: run make docs"
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: object) -> None:
    """Each relative link names a file that exists and, after #, a heading of it."""
    path = DIRECTORY / str(document)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        name, _, heading = target.partition("#")
        there = path.parent / name if name else path
        if not there.exists() or (
            heading and f"#{heading}" not in headings(there.read_text(encoding="utf-8"))
        ):
            broken.append(target)
    assert not broken


def headings(text: str) -> set[str]:
    """The anchors of a page's headings."""
    return {anchor(line.lstrip("# ")) for line in text.splitlines() if re.match(r"#+ ", line)}


def test_every_document_and_event_is_described() -> None:
    """Each kind names the commands that write it, each event says what it means, and no two objects share a name."""
    assert document_types().keys() == PRODUCERS.keys()
    assert EVENTS.keys() == SHOWN_EVENTS
    objects = re.findall(r"^### (.*)$", page(), re.MULTILINE)
    assert len(objects) == len(set(objects))
