"""The boundary: how command lines are read, and how every kind of ending looks to a person and to a machine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

import cartctl.cli
from cartctl import __version__
from cartctl.commands import COMMANDS, LazyCommands
from cartctl.commands.options import Options, Output, hoist
from cartctl.errors import CartctlError, CheckFailed, Refused, StepFailed

COMMAND = (sys.executable, "-m", "cartctl")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration file, no sandbox and no variables of this machine."""
    for name in [name for name in os.environ if name.startswith("CARTCTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def run(*args: str) -> Result:
    """One command line."""
    return CliRunner().invoke(cartctl.cli.app, list(args))


def app_that(ends: BaseException | int | None) -> typer.Typer:
    """An app with the same boundary and one command, which ends like that."""
    app = typer.Typer(cls=cartctl.cli.Boundary)
    app.callback()(cartctl.cli.main_options)

    @app.command("act")
    def act() -> None:
        if isinstance(ends, BaseException):
            raise ends
        if ends is not None:
            raise typer.Exit(ends)

    return app


@pytest.mark.parametrize(
    ("line", "hoisted"),
    (
        ("deploy --env x --yes", "--env x deploy --yes"),
        ("deploy --env=x -ojson", "--env=x -ojson deploy"),
        ("deploy -o json -qv --debug", "-o json -qv --debug deploy"),
        ("config show --version", "--version config show"),
        ("deploy -- --env x", "deploy -- --env x"),
        ("deploy --env", "--env"),
        ("smoke --suite -x", "smoke --suite -x"),
    ),
)
def test_global_options_stand_anywhere(line: str, hoisted: str) -> None:
    """Global options are found before a `--` wherever they stand; all else keeps its order."""
    assert hoist(line.split()) == hoisted.split()


@pytest.mark.parametrize("args", (["-o", "json"], ["-ojson"], ["--output=json"], ["--output", "json"]))
def test_json_is_recognised_in_every_spelling(args: list[str]) -> None:
    """The error is JSON also where the rest of the line is wrong."""
    result = run("nope", *args)
    assert json.loads(result.stdout)["kind"] == "error"


@pytest.mark.parametrize(
    ("args", "expected_text", "hint"),
    (
        (["confg"], "No such command 'confg'. Did you mean 'config'?", "See cartctl --help."),
        (["config", "shwo"], "No such command 'shwo'. Did you mean 'show'?", "See cartctl config --help."),
        (["config", "show", "--nope"], "No such option: --nope.", "See cartctl config show --help."),
        (["config", "show", "more"], "Got unexpected extra argument(s) (more).", "See cartctl config show --help."),
        (["config", "show", "--env"], "Option '--env' requires an argument.", "See cartctl --help."),
        (["-oxml", "config"], "Invalid value for '--output' / '-o': 'xml' is not one of 'text', 'json', 'markdown'.", "See cartctl --help."),
    ),
)  # fmt: skip
def test_a_wrong_command_line_is_reported_in_one_sentence(
    args: list[str], expected_text: str, hint: str
) -> None:
    """Usage errors end with 2, a sentence on stderr and nothing on stdout; as JSON, the other way round."""
    result = run(*args)
    assert result.exit_code == 2
    assert result.stderr == f"cartctl: {expected_text}\n  hint: {hint}\n"
    assert not result.stdout
    if "-oxml" not in args:
        machine = run("-o", "json", *args) if args[-1] != "--env" else run(*args[:-1], "-o", "json", "--env")
        assert machine.exit_code == 2
        expected = {
            "kind": "error",
            "version": 1,
            "code": "usage",
            "message": expected_text,
            "hint": hint,
            "exit_code": 2,
        }
        assert args[-1] == "--env" or json.loads(machine.stdout) == expected


@pytest.mark.parametrize("args", ([], ["config"]))
def test_an_empty_command_line_shows_the_help(args: list[str]) -> None:
    """Without a command the help goes to stderr, and the exit code says usage."""
    result = run(*args)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: cartctl")
    assert not result.stdout
    assert json.loads(run("-o", "json", *args).stdout)["message"].endswith("command.")


def test_help_and_version_are_results() -> None:
    """What was asked for goes to stdout, with exit code 0."""
    assert run("--help").stdout.startswith("Usage: cartctl")
    assert run("config", "--version").stdout == f"cartctl {__version__}\n"


@pytest.mark.parametrize("kind", (Refused, StepFailed, CheckFailed))
def test_errors_end_with_their_code(kind: type[CartctlError]) -> None:
    """An error of ours ends the command with its own exit code, its sentence and its hint."""
    app = app_that(kind("It went wrong.", hint="Do this."))
    result = CliRunner().invoke(app, ["act"])
    assert result.exit_code == kind.exit_code
    assert result.stderr == "cartctl: It went wrong.\n  hint: Do this.\n"
    document = json.loads(CliRunner().invoke(app, ["act", "-o", "json"]).stdout)
    assert document == {
        "kind": "error",
        "version": 1,
        "code": kind.code,
        "message": "It went wrong.",
        "hint": "Do this.",
        "exit_code": kind.exit_code,
    }


def test_a_bug_is_called_one() -> None:
    """An unexpected error ends with 1 and without a traceback, its credentials masked; --debug shows it."""
    app = app_that(ValueError("cannot reach postgresql://u:hunter2@h/d"))
    result = CliRunner().invoke(app, ["act"])
    assert result.exit_code == 1
    assert "Unexpected ValueError" in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" not in result.output
    assert "hunter2" not in result.output
    debugged = CliRunner().invoke(app, ["act", "--debug"])
    assert debugged.exit_code == 1
    assert "Traceback" in debugged.stderr
    assert "hunter2" not in debugged.stderr


@pytest.mark.parametrize(
    ("ends", "code"), ((None, 0), (7, 7), (KeyboardInterrupt(), 130), (typer.Abort(), 130))
)
def test_other_endings(ends: BaseException | int | None, code: int) -> None:
    """A command's own exit code stays; Ctrl-C is 130."""
    assert CliRunner().invoke(app_that(ends), ["act"]).exit_code == code


def test_options_reach_the_command() -> None:
    """What stands behind the command is as good as what stands before it."""
    app = typer.Typer(cls=cartctl.cli.Boundary)
    app.callback()(cartctl.cli.main_options)
    seen: list[Options] = []

    @app.command("act")
    def act(ctx: typer.Context) -> None:
        seen.append(ctx.obj)

    CliRunner().invoke(app, ["act", "-qv", "--env", "dev", "-ojson", "--no-color"])
    assert seen == [Options(env="dev", output=Output.JSON, quiet=True, verbose=True, no_color=True)]


@pytest.mark.parametrize("value", ("1", "please", "0"))
def test_no_color_is_any_value(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """NO_COLOR counts whatever it is set to, as its convention has it."""
    monkeypatch.setenv("NO_COLOR", value)
    assert run("config", "schema").exit_code == 0


def test_a_reader_that_leaves_is_no_error() -> None:
    """`cartctl … | head` ends quietly."""
    for words in ("--help", "sandbox status"):
        line = f"set -o pipefail; {sys.executable} -m cartctl {words} | (read -r line; echo read)"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "read\n", ""), words


@pytest.mark.parametrize("words", ("sandbox status", "-o json sandbox status"))
def test_a_full_disk_is_reported_and_is_no_bug(words: str) -> None:
    """What cannot be written ends with 5 and a sentence on stderr, also where the error itself was wanted on stdout."""
    line = f"{sys.executable} -m cartctl {words} >/dev/full"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    (("rollout abort --config none.toml", 2), ("cart quote - <&-", 2), ("sandbox status", 0)),
)
def test_streams_that_are_closed_are_no_bug(words: str, code: int) -> None:
    """Without stdin nobody can be asked; without stdout and stderr the exit code is all there is."""
    line = f"{sys.executable} -m cartctl {words} >&- 2>&-"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_state_directory_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the machine refuses is told with its place and is no bug."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "file"))
    result = run("sandbox", "up")
    assert (result.exit_code, "file/sandbox" in result.stderr) == (5, True)
    assert "CARTCTL_STATE_DIR" in result.stderr


def test_an_interrupt_while_it_is_being_loaded_shows_nothing() -> None:
    """Ctrl-C, SIGTERM or SIGHUP at once end the process with the usual exit code, before anything of ours could tell of it."""
    program = """
import os, signal, sys
from cartctl.__main__ import main
class Finder:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), int(sys.argv[1]))
sys.meta_path.insert(0, Finder())
main()
"""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        argv = [sys.executable, "-c", program, str(int(number))]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")


def test_a_process_that_is_interrupted_ends_with_130() -> None:
    """SIGINT ends the real process with 130 and without a traceback."""
    program = (
        "import time, typer, cartctl.commands as c\n"
        "def act() -> None:\n    typer.echo('ready'); time.sleep(30)\n"
        "c.COMMANDS['act'] = c.Entry('__main__:act', 'Act.')\n"
        "from cartctl.cli import main; main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program, "act"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert "Traceback" not in process.stderr.read()


def test_the_module_is_the_command() -> None:
    """`python -m cartctl` is the same program under the same name."""
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: cartctl ")


def test_what_libraries_log_is_no_output() -> None:
    """A library's warning, with a traceback perhaps, does not stand between our sentences; with --debug it does."""
    script = """
import logging, sys
from cartctl.commands import COMMANDS, LazyCommands
from cartctl.commands.options import Options
from cartctl.errors import ConfigError
try:
    Options(config="none.toml", debug=len(sys.argv) > 1).environment()
except ConfigError:
    logging.getLogger("library").warning("noise")
"""
    messages = [
        subprocess.run([sys.executable, "-c", script, *more], capture_output=True, text=True, check=True)
        for more in ([], ["debug"])
    ]
    assert [done.stderr for done in messages] == ["", "noise\n"]


def test_plan_takes_every_option_of_deploy_that_shapes_its_plan() -> None:
    """What a person is about to deploy can be shown with the same options; only what starts or continues a run is deploy's own."""
    import inspect

    from cartctl.commands.deploy import deploy, plan

    def options(command: object) -> dict[str, object]:
        parameters = inspect.signature(command).parameters.values()  # type: ignore[arg-type]
        return {each.name: (each.annotation, each.default) for each in parameters}

    own = {"yes", "plan", "resume", "abandon", "report"}
    assert options(plan) == {name: value for name, value in options(deploy).items() if name not in own}


def test_the_overview_imports_no_command() -> None:
    """Start-up time: the list of commands is a table, and a command is imported when it is used."""
    program = (
        "import sys\nfrom cartctl.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*(name for name in sys.modules if name.startswith('cartctl.commands.')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].split() == ["cartctl.commands.options"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_what_the_help_says(name: str) -> None:
    """Each line of the table is the first line of the command's own help."""
    command = LazyCommands()[name]
    assert (command.name, command.help.strip().partition("\n")[0]) == (name, COMMANDS[name].summary)
