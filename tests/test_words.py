"""Names and texts use the field's terms, not a private dialect: docs/glossary.md lists what to say instead.

What is released stays: fields of classes (they are JSON or configuration keys), journal kinds, SQL objects and options.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.source import ROOT, modules

NAMES = re.compile(
    r"\b(told|(?<!not )found|kept|asked|answer|answers|answered|looks?|looked|seen|taken|wanted|former|begun|gone|living|(?<!keep )alive|"
    r"judged|mended|mending|keeper|desk|door|stranger|world|put back|take back|taken back|turn back)\b"
)
TEST_NAMES = re.compile(r"^(told|found|asked|said|wanted|former)$")
TEXTS = re.compile(
    r"\b(told|(?:take|takes|taken|taking)\sback|(?:turn|turns|turned|turning)\sback|(?:put|puts|putting)\sback|"
    r"(?:leave|leaves|left|leaving)\sout|(?:look|looks|ask|asks)\sagain|mend|mends|mended|mending|somebody\selse(?:'s)?|"
    r"the\sworld|for\sever|strangers?|foreign\sinput|real\sparts|plug\spoints?|neutralises?|who\sdepends)\b",
    re.IGNORECASE,
)
MESSAGES = re.compile(
    r"\bis no (?!longer\b|more\b|later\b|less\b)|\bthere is no\b|"
    r"\b((?:does|did) not answer|as often as it (?:may|can) be|say --[a-z]+|whoever|go(?:es)? on|begins? anew|see (?:whose|who made)|"
    r"look at the|past its time|own shape|of another (?:form|shape)|in the way|that no text has|leads nowhere|what was begun|"
    r"met a deadlock|what is so|names two)\b|^There are:|^It has:",
    re.IGNORECASE,
)

RELEASED = {'"told"'}  # a key of journals that exist

GLOSSARY = "docs/glossary.md"  # lists the words that are not to be used


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each function, class, parameter and variable; a class's fields are not among them."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    fields = {id(part.target) for node in classes for part in node.body if isinstance(part, ast.AnnAssign)}
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()) if id(node) not in fields:
                yield node.lineno, node.id
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield node.lineno, name


def as_words(name: str) -> str:
    """`FlagsAsked` and `flags_asked` as `flags asked`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each comment and string, docstrings among them."""
    middle = getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)  # Python 3.12 splits f-strings
    kinds = {tokenize.COMMENT, tokenize.STRING, middle}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in kinds:
            yield token.start[0], token.string


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each string that is not a docstring."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def documents() -> Iterator[tuple[str, str]]:
    """Path and text of what people read outside the package."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "runbooks").rglob("*.md")]
    for path in sorted(paths):
        name = path.relative_to(ROOT).as_posix()
        if name != GLOSSARY:
            yield name, path.read_text()


def test_names_are_the_fields_terms() -> None:
    """A variable is named after the thing, a function after a verb and its object."""
    wrong = [
        f"{path}:{line}: {name}"
        for path, _, tree in modules()
        for line, name in names(tree)
        if NAMES.search(as_words(name))
    ]
    assert not wrong, f"see {GLOSSARY}:\n" + "\n".join(wrong)


def test_variables_of_tests_are_named_after_the_thing() -> None:
    """In tests too, a bare participle says nothing: `result`, `messages`, `expected` or `request` does."""
    wrong = [
        f"{path}:{line}: {name}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line, name in names(ast.parse(path.read_text(encoding="utf-8")))
        if TEST_NAMES.search(name.lower())
    ]
    assert not wrong, f"see {GLOSSARY}:\n" + "\n".join(wrong)


def test_texts_use_the_fields_terms() -> None:
    """Docstrings, comments and strings."""
    wrong = [
        f"{path}:{line}: {phrase[0]}"
        for path, source, _ in modules()
        for line, text in texts(source)
        if text not in RELEASED
        for phrase in TEXTS.finditer(text)
    ]
    assert not wrong, f"see {GLOSSARY}:\n" + "\n".join(wrong)


def test_messages_say_what_is_wrong() -> None:
    """Not found, missing or invalid, and what to use: neither `there is no X` nor `say --yes`."""
    wrong = [
        f"{path}:{line}: {text[:100]}"
        for path, _, tree in modules()
        for line, text in messages(tree)
        if MESSAGES.search(text)
    ]
    assert not wrong, f"see {GLOSSARY}:\n" + "\n".join(wrong)


def test_documents_use_the_fields_terms() -> None:
    """README, runbooks, changelog and the pages under docs."""
    wrong = [
        f"{path}:{text[: phrase.start()].count(chr(10)) + 1}: {phrase[0]}"
        for path, text in documents()
        for phrase in TEXTS.finditer(text)
    ]
    assert not wrong, f"see {GLOSSARY}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("name", ("told", "FlagsAsked", "names_found", "put_back"))
def test_a_banned_name_is_detected(name: str) -> None:
    """Whole words of a name, in either style."""
    [(_, bound)] = names(ast.parse(f"{name} = 1"))
    assert NAMES.search(as_words(bound))


@pytest.mark.parametrize("source", ('"""It is told."""', "x = 1  # put\tback", 'x = f"{y} turns back"'))
def test_a_banned_phrase_is_detected(source: str) -> None:
    """In docstrings, comments and formatted strings."""
    assert any(TEXTS.search(text) for _, text in texts(source))


@pytest.mark.parametrize(
    "text", ("It does not answer.", "They are saved first; say --force.", "There are: a, b.")
)
def test_a_banned_message_is_detected(text: str) -> None:
    """In messages and hints only."""
    assert MESSAGES.search(text)


def test_released_fields_and_other_words_pass() -> None:
    """A field of a class keeps its name; a word that contains a banned one is another word."""
    source = "class Report:\n    kept: int\n    foundation: int\n"
    assert not [name for _, name in names(ast.parse(source)) if NAMES.search(as_words(name))]
    assert not MESSAGES.search("The lock is no longer held.")
