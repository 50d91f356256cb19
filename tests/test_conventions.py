"""The house rules that no linter knows: help texts as they were agreed on, documentation that is true, small modules."""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cartctl import errors
from cartctl.cli import app
from cartctl.commands.options import hoist
from cartctl.engine.events import EventKind, RunOutcome
from tests.source import ROOT, modules

PACKAGE = ROOT / "cartctl"
README = ROOT / "README.md"
GOLDEN = ROOT / "tests/cases/help"
UPDATE = os.environ.get("CARTCTL_UPDATE_GOLDEN") == "1"

HEAVY = (
    "alembic",
    "asyncio",
    "fastapi",
    "httpx",
    "jinja2",
    "kubernetes",
    "prometheus_api_client",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "redis",
    "rich",
    "sqlalchemy",
)
MODULES = 15  # in a directory
MODULE_LINES = 300
FUNCTION_LINES = 40
HELP_WORDS = 10  # in the first sentence of a help text
EXAMPLE_WIDTH = 78
VERBS = {
    *(
        "Abort",
        "Apply",
        "Approve",
        "Break",
        "Build",
        "Check",
        "Claim",
        "Create",
        "Deploy",
        "Enable",
        "Enter",
        "Evaluate",
        "Expire",
        "Fill",
    ),
    *(
        "Hold",
        "Lint",
        "List",
        "Monitor",
        "Preview",
        "Price",
        "Record",
        "Rehearse",
        "Request",
        "Remove",
        "Restore",
        "Resume",
        "Roll",
    ),
    *("Run", "Send", "Set", "Show", "Start", "Stop", "Undo", "Validate", "Verify", "Write"),
}  # that a help text may begin with
LONG_MODULES: dict[str, str] = {}  # path → the reason a reader accepts
LONG_FUNCTIONS: dict[str, str] = {  # path:name → the reason a reader accepts
    "cartctl/plans/deploy/plan.py:deployment": "the whole plan, to be read from top to bottom on one screen",
}


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every command and group that the help shows."""
    yield path
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from walk(below, (*path, name))


ROOT_COMMAND: Any = typer.main.get_command(app)


def command_at(path: tuple[str, ...]) -> Any:
    """The command or group at a path."""
    command = ROOT_COMMAND
    for name in path:
        command = command.commands[name]
    return command


PATHS = list(walk(ROOT_COMMAND))
LEAVES = [
    path
    for path in PATHS
    if not any(other[:-1] == path for other in PATHS if other)
    or getattr(command_at(path), "invoke_without_command", False)
]


def test_text_is_drawn_by_one_module() -> None:
    """Rich's own Text and Console would go around what makes text safe: render/drawing.py alone imports them."""
    around = [
        f"{path}: {node.module}"
        for path, _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module in {"rich", "rich.text", "rich.console", "rich.markup", "rich.panel"}
        and path != "cartctl/render/drawing.py"
    ]
    assert not around


def documents() -> list[Path]:
    """README, documentation and runbooks."""
    return [
        README,
        *(path for folder in ("docs", "runbooks") for path in sorted((ROOT / folder).rglob("*.md"))),
    ]


def command_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line in a code block that runs cartctl, with its number: its words, without prompt, comment and what follows a pipe."""
    fenced, joined = False, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            joined += line.strip().removesuffix("\\")
            if line.rstrip().endswith("\\"):
                continue
            yield from ((number, words) for words in calls(joined))
            joined = ""


def calls(line: str) -> Iterator[list[str]]:
    """The calls of cartctl in one line of shell."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*_words(lexer), ";"]:
        if not re.fullmatch(r"[|&;<>]+", word):
            words.append(word)
            continue
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words and words[0] == "cartctl":
            yield words[1:]
        words = []


def _words(lexer: shlex.shlex) -> list[str]:
    try:
        return list(lexer)
    except ValueError:  # output that quotes nothing is no command
        return []


def parse(args: list[str]) -> None:
    """Parse a command line as the real program does and run nothing. Raises typer.TyperException."""
    command, rest, parent = ROOT_COMMAND, hoist(args), None
    if not rest or {"--help", "-h", "--version"} & set(rest):
        return
    name = "cartctl"
    while True:
        context = command.make_context(name, rest, parent=parent)
        if not hasattr(command, "commands") or (
            command.invoke_without_command and not context._protected_args
        ):
            return
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        parent = context


def test_the_walk_finds_commands() -> None:
    """A walk that finds nothing would let every other test pass."""
    assert ("config", "show") in LEAVES
    assert () in PATHS


@pytest.mark.parametrize("path", PATHS, ids=lambda path: " ".join(("cartctl", *path)))
def test_help_is_as_agreed(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each help text equals its golden file; CARTCTL_UPDATE_GOLDEN=1 writes them anew."""
    monkeypatch.delenv("CARTCTL_ENV", raising=False)
    monkeypatch.delenv("CARTCTL_CONFIG", raising=False)
    shown = help_of(path)
    golden = GOLDEN / f"{'-'.join(('cartctl', *path))}.txt"
    if UPDATE:
        golden.write_text(shown, encoding="utf-8")
    assert golden.is_file(), (
        f"no {golden.relative_to(ROOT)}: run CARTCTL_UPDATE_GOLDEN=1 pytest {Path(__file__).name}"
    )
    assert shown == golden.read_text(encoding="utf-8")


def test_no_help_is_left_over() -> None:
    """A command that is gone takes its golden file with it."""
    expected = {f"{'-'.join(('cartctl', *path))}.txt" for path in PATHS}
    left = {path.name for path in GOLDEN.glob("*.txt")} - expected
    if UPDATE:
        for name in left:
            (GOLDEN / name).unlink()
        left = set()
    assert not left


def test_lists_of_commands_cut_no_sentence() -> None:
    """The first sentence of each command's docstring is short enough for a line of its group's help."""
    lines = [
        line for path in PATHS for line in help_of(path).splitlines() if re.fullmatch(r"  \w.*\.\.\.", line)
    ]
    assert not lines, "shorten the first sentence (to about 60 characters) of:\n" + "\n".join(lines)


def help_of(path: tuple[str, ...]) -> str:
    """A command's help, 80 columns wide."""
    return CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).stdout


@pytest.mark.parametrize("path", PATHS, ids=lambda path: " ".join(("cartctl", *path)))
def test_help_begins_with_a_short_imperative(path: tuple[str, ...]) -> None:
    """The first line of each help text is one imperative sentence of at most ten words."""
    first = command_at(path).help.partition("\n")[0]
    assert first.endswith(".")
    assert first.split()[0].rstrip(",") in VERBS
    assert len(first.split()) <= HELP_WORDS


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: " ".join(("cartctl", *path)))
def test_help_has_examples_that_parse(path: tuple[str, ...]) -> None:
    """Each command's help ends with one to three command lines that call this command and that the program understands."""
    lines = help_of(path).partition("\nExamples:\n")[2].splitlines()
    assert 1 <= len(lines) <= 3
    for line in lines:
        [words] = calls(line.strip())
        assert " ".join(words).startswith(" ".join(path))
        assert len(line) <= EXAMPLE_WIDTH
        parse(words)


def test_every_option_is_explained() -> None:
    """No option or command goes without a sentence of help."""
    bare = []
    for path in PATHS:
        command = command_at(path)
        bare += [" ".join(("cartctl", *path))] if not command.help else []
        bare += [
            f"cartctl {' '.join(path)} {result.opts[0]}"
            for result in command.params
            if not getattr(result, "help", "")
        ]
    assert not bare


def test_readme_begins_with_purpose_requirements_and_start() -> None:
    """The first ten lines say what it is for, what it needs and how to start; installation comes before use."""
    lines = README.read_text(encoding="utf-8").splitlines()
    first = "\n".join(lines[:10])
    assert all(words in first for words in ("deploys", "rolls back", "Python 3.11", "make demo"))
    assert lines.index("## Install") < lines.index("## First steps") < lines.index("## Documentation")


def test_readme_leads_to_every_page() -> None:
    """Each page of the documentation and each runbook has a link in the README."""
    text = README.read_text(encoding="utf-8")
    pages = [
        path.relative_to(ROOT) for folder in ("docs", "runbooks") for path in (ROOT / folder).glob("*.md")
    ]
    assert not [str(page) for page in pages if f"]({page})" not in text]


def test_documentation_has_the_commands_and_exit_codes() -> None:
    """The generated pages name every command, and every row of the table that the errors are built on."""
    commands = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    missing = [path for path in LEAVES if f"## {' '.join(('cartctl', *path))}\n" not in commands]
    rows = re.findall(r"^\| \d+ \|.*$", errors.__doc__ or "", re.MULTILINE)
    codes = (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")
    assert rows
    assert not [*missing, *(row for row in rows if row not in codes)]


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_command_lines_parse(document: Path) -> None:
    """Each call of cartctl in a code block is one that the program understands."""
    wrong = []
    for number, args in command_lines(document.read_text(encoding="utf-8")):
        try:
            parse(args)
        except typer.TyperException as error:
            wrong.append(f"{document.name}:{number}: cartctl {shlex.join(args)}: {error.format_message()}")
    assert not wrong, "\n".join(wrong)


def test_command_lines_are_found_in_shell() -> None:
    """Prompts, variables, pipes, redirections, comments and continued lines are shell's, not the command's."""
    text = "cartctl no\n```console\n$ A=b cartctl config \\\n  show | jq . # x\nsudo x && cartctl config check > f\nit's output\n```\n"
    assert list(command_lines(text)) == [(4, ["config", "show"]), (5, ["config", "check"])]


@pytest.mark.parametrize(
    "args",
    (
        ["config", "shwo"],
        ["config", "show", "--nope"],
        ["config", "show", "x"],
        ["-o", "xml", "config", "show"],
    ),
)
def test_a_wrong_command_line_would_be_found(args: list[str]) -> None:
    """The parser used on the documentation refuses what the program refuses."""
    with pytest.raises(typer.TyperException):
        parse(args)


def test_help_loads_nothing_heavy() -> None:
    """`cartctl --help` is quick because it loads neither drivers nor models nor drawing."""
    program = (
        "import atexit, sys\n"
        "atexit.register(lambda: sys.stderr.write(' '.join(sorted(sys.modules))))\n"
        "from cartctl.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert not loaded & set(HEAVY)


def test_commands_import_late() -> None:
    """At the top of a command's module stand the standard library, typer, cartctl's errors and other commands' modules alone."""
    allowed = {"typer", "typer.core", "cartctl.errors", "cartctl.commands.options"}
    wrong = []
    for path, _, tree in modules():
        if path.startswith("cartctl/commands/") and not path.endswith("__init__.py"):
            results = {name for node in tree.body for name in imported(node)}
            late = {
                name
                for name in results - allowed
                if name.split(".")[0] not in sys.stdlib_module_names
                and not name.startswith("cartctl.commands")
            }
            wrong += [f"{path} imports {name}" for name in sorted(late)]
    assert not wrong


def imported(node: ast.stmt) -> list[str]:
    """What one statement imports, by module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_nothing_prints() -> None:
    """Results go through render; a print would end up among them."""
    wrong = [
        f"{path}:{node.lineno}"
        for path, _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong


def test_modules_are_small() -> None:
    """A module that has grown past a screenful of screens is two; exceptions have a reason."""
    long = {path: text.count("\n") for path, text, _ in modules() if text.count("\n") > MODULE_LINES}
    assert long.keys() <= LONG_MODULES.keys(), long


def test_directories_are_small() -> None:
    """At most 15 modules lie in one directory of the package."""
    counts = Counter(path.rpartition("/")[0] for path, _, _ in modules() if not path.endswith("__init__.py"))
    assert {directory: count for directory, count in counts.items() if count > MODULES} == {}


def test_functions_are_small() -> None:
    """A function's statements, its signature and docstring aside, fit one look; exceptions have a reason."""
    long = {
        f"{path}:{node.name}": lines
        for path, _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := body_lines(node)) > FUNCTION_LINES
    }
    assert long.keys() <= LONG_FUNCTIONS.keys(), long


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from a function's first statement that is no docstring to its end."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("name", ("utils", "helpers", "manager", "context", "common", "misc"))
def test_no_module_is_a_drawer(name: str) -> None:
    """A module is named for what lives in it."""
    assert not list(PACKAGE.rglob(f"{name}.py"))


def test_events_are_named_by_their_kind() -> None:
    """A bare string of a kind or an outcome where events are compared or made would be one more definition of it."""
    known = {kind.value for kind in EventKind} | {outcome.value for outcome in RunOutcome}
    bare = [
        f"{path}:{value.lineno}"
        for path, _, tree in modules()
        if path.startswith(("cartctl/engine", "cartctl/plans", "cartctl/render/run", "cartctl/rollout"))
        for node in ast.walk(tree)
        for value in ast.walk(_named_kind(node))
        if isinstance(value, ast.Constant) and value.value in known
    ]
    assert bare == []


def _named_kind(node: ast.AST) -> ast.AST:
    """The part of a node that can name a kind: what `.event`, `.outcome` or `.word` is compared with, an Event's fourth argument."""
    match node:
        case ast.Compare(left=ast.Attribute(attr="event" | "outcome" | "word"), comparators=[compared]):
            return compared
        case ast.Call(func=ast.Name(id="Event"), args=[_, _, _, kind, *_]):
            return kind
        case ast.Call(func=ast.Name(id="Outcome"), args=[kind, *_]):
            return kind
        case _:
            return ast.Pass()
