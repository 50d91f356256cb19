"""Sign-off by several people, each with an SSH key and a directory of their own, on a real sandbox: only what all approved is deployed."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cartctl.sandbox.names import DATABASE
from tests.sandbox_fixture import Sandbox, wait_for
from tests.services import long

LINK = "https://git.example.com/reviews/42"
POLICY = """
[env.sandbox.signoff]
roles = ["DBA", "QA Lead"]
allowed_signers = "signers"
signers = { "ann@example.com" = ["DBA"], "bob@example.com" = ["QA Lead"] }
[env.sandbox.signoff.attestations]
reviews = { at_least = 5, unit = "reviews per phase" }
critical_issues = { at_most = 0 }
"""
PEOPLE = ("ann", "bob")
MONITOR = ("--monitor-for", "1s")


@dataclass
class Machine:
    """One person's computer: a directory with the team's configuration, a private key, and no other person's files."""

    home: Path
    person: str

    @property
    def key(self) -> Path:
        """The private key."""
        return self.home / "id"

    def run(self, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one command line, without a terminal."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("CARTCTL_", "SSH_"))}
        return subprocess.run(
            [sys.executable, "-m", "cartctl", *argv],
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**clean, "CARTCTL_STATE_DIR": str(self.home / "state"), **variables},
        )

    def ok(self, *argv: str, **variables: str) -> dict[str, Any]:
        """The JSON document of a command that succeeds."""
        done = self.run(*argv, "-o", "json", **variables)
        assert done.returncode == 0, done.stderr + done.stdout
        document: dict[str, Any] = (
            json.loads(done.stdout.splitlines()[-1]) if "deploy" in argv else json.loads(done.stdout)
        )
        return document

    def refused(self, *argv: str) -> tuple[int, str, str]:
        """Exit code, code and message of a command that fails."""
        done = self.run(*argv, "-o", "json")
        document = json.loads(done.stdout)
        return done.returncode, document["code"], document["message"]

    def configure(self, replace: dict[str, str]) -> None:
        """Change the configuration's text."""
        path = self.home / "cartctl.toml"
        text = path.read_text(encoding="utf-8")
        for before, after in replace.items():
            assert before in text
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")


def make_key(path: Path, passphrase: str = "") -> str:
    """A new SSH key; returns its public part."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", str(path)], check=True
    )
    return path.with_name(path.name + ".pub").read_text(encoding="utf-8").strip()


@pytest.fixture
def team(sandbox: Sandbox, tmp_path: Path) -> dict[str, Machine]:
    """Machines of ann and bob, whose configuration requires both, and of an operator without a key."""
    machines = {name: Machine(tmp_path / name, name) for name in (*PEOPLE, "operator")}
    configuration = sandbox.layout.config.read_text(encoding="utf-8") + POLICY
    for machine in machines.values():
        machine.home.mkdir()
        (machine.home / "cartctl.toml").write_text(configuration, encoding="utf-8")
    signers = "".join(f"{name}@example.com {make_key(machines[name].key)}\n" for name in PEOPLE)
    for machine in machines.values():
        (machine.home / "signers").write_text(signers, encoding="utf-8")
    return machines


def attest(machine: Machine, *values: str) -> None:
    """Attest what the configuration requires."""
    machine.ok(
        "signoff", "attest", *(values or ("reviews=5", "critical_issues=0")), "--link", LINK, "--key", "id"
    )


def add(machine: Machine, role: str, *more: str) -> dict[str, Any]:
    """Approve in a role."""
    return machine.ok("signoff", "add", "--role", role, "--key", "id", "--yes", *more)


def entries(sandbox: Sandbox) -> int:
    """How many records the journal has."""
    with sandbox.database.session("test") as connection:
        if connection.execute("SELECT to_regclass('cartctl_journal.event')").fetchone() == (None,):
            return 0
        row = connection.execute(
            "SELECT count(*) FROM cartctl_journal.event WHERE run = 'signoff'"
        ).fetchone()
    assert row
    return int(row[0])


def test_two_people_approve_and_only_that_is_deployed(sandbox: Sandbox, team: dict[str, Machine]) -> None:
    """Request, an approval in the journal and one by file, deployment with the table in its report; a changed image is refused by name."""
    ann, bob, operator = team["ann"], team["bob"], team["operator"]
    attest(ann)
    request = operator.ok("signoff", "request", "request.json", *MONITOR)
    assert request == json.loads((operator.home / "request.json").read_text(encoding="utf-8"))
    assert request["subject"]["images"]["payment-api.api"] == {"ref": "2.0.0", "digest": None}
    assert {check["name"] for check in request["checks"]} >= {
        "token",
        "attestations.reviews",
        "cluster.images",
    }
    refused = operator.run("deploy", "--yes", *MONITOR)
    assert (refused.returncode, "signoff.DBA: not approved" in refused.stdout) == (3, True)

    add(ann, "DBA")
    shutil.copy(operator.home / "request.json", bob.home)
    bob.configure({f"dbname={DATABASE}": "dbname=unreachable"})  # bob cannot reach the database
    add(bob, "QA Lead", "request.json", "--to", "approval.json")
    assert operator.run("signoff", "verify").returncode == 7
    shutil.copy(bob.home / "approval.json", operator.home)
    operator.ok("signoff", "import", "approval.json")
    assert operator.run("signoff", "verify").returncode == 0
    sheet = operator.ok("signoff", "list")
    assert [(row["role"], row["name"], row["counts"]) for row in sheet["rows"]] == [
        ("DBA", "ann@example.com", True),
        ("QA Lead", "bob@example.com", True),
    ]

    changed = operator.run("deploy", "--yes", *MONITOR, "--image", "payment-api=2.0.0-slow")
    assert changed.returncode == 3
    for person, role in (("ann", "DBA"), ("bob", "QA Lead")):
        assert (
            f"{person}@example.com as {role} is outdated: image payment-api.api was 2.0.0, is 2.0.0-slow"
            in " ".join(changed.stdout.split())
        )
    assert {image.ref for one in sandbox.cluster.deployments().values() for image in one.images.values()} == {
        "1.0.0"
    }

    report = operator.ok("deploy", "--yes", *MONITOR)
    assert (report["outcome"], [one["name"] for one in report["signoffs"]]) == (
        "succeeded",
        ["ann@example.com", "bob@example.com"],
    )
    text = operator.run("report").stdout
    assert all(part in text for part in ("role", "QA Lead", "bob@example.com", "ED25519 key SHA256:"))


def test_what_does_not_count_is_rejected_by_name(sandbox: Sandbox, team: dict[str, Machine]) -> None:
    """A role that somebody lacks, a duplicate, a foreign key, no key, a broken key; nothing is recorded."""
    ann, bob, operator = team["ann"], team["bob"], team["operator"]
    attest(ann)
    operator.ok("signoff", "request", "request.json")
    add(ann, "DBA")
    foreign = operator.home / "foreign"
    make_key(foreign)
    make_key(operator.home / "locked", "a passphrase")
    (operator.home / "broken").write_text("not a key\n", encoding="utf-8")
    (operator.home / "broken").chmod(0o600)
    before = entries(sandbox)
    yes = ("--yes", "--key")
    for machine, argv, expected in (
        (
            ann,
            ("--role", "QA Lead", *yes, "id"),
            (3, "role_not_held", "ann@example.com does not have the role QA Lead"),
        ),
        (
            ann,
            ("--role", "DBA", *yes, "id"),
            (3, "duplicate_signoff", "DBA has approved already: ann@example.com"),
        ),
        (
            bob,
            ("--role", "QA lead", *yes, "id"),
            (2, "usage", "Unknown role 'QA lead'; did you mean 'QA Lead'?"),
        ),
        (bob, ("--role", "QA Lead", "--yes"), (3, "unsigned", "Only signed approvals count")),
        (operator, ("--role", "QA Lead", *yes, "foreign"), (3, "foreign_signature", "is not in")),
        (
            bob,
            ("--role", "QA Lead", *yes, "id", "--name", "ann@example.com"),
            (3, "role_not_held", "ann@example.com"),
        ),
        (operator, ("--role", "QA Lead", *yes, "missing"), (2, "unusable_key", "file not found")),
        (operator, ("--role", "QA Lead", *yes, "."), (2, "unusable_key", "it is not a file")),
        (operator, ("--role", "QA Lead", *yes, "broken"), (2, "unusable_key", "Cannot sign with broken")),
        (bob, ("--role", "QA Lead", "--key", "id"), (3, "refused", "Cannot prompt without a terminal")),
        (
            bob,
            ("nowhere.json", "--role", "QA Lead", *yes, "id"),
            (2, "missing_input", "nowhere.json: file not found"),
        ),
    ):
        code, name, message = machine.refused("signoff", "add", *argv)
        assert (code, name, expected[2] in message) == (*expected[:2], True), (argv, code, name, message)
    assert entries(sandbox) == before
    assert not list(operator.home.glob("*.sig"))


def test_another_persons_name_needs_their_key(sandbox: Sandbox, team: dict[str, Machine]) -> None:
    """A signature by bob under ann's name is not hers, whatever the configuration on his machine says."""
    ann, bob, operator = team["ann"], team["bob"], team["operator"]
    attest(ann)
    operator.ok("signoff", "request", "request.json")
    code, name, message = bob.refused(
        *("signoff", "add", "--role", "DBA", "--name", "ann@example.com", "--key", "id", "--yes")
    )
    assert (code, name) == (3, "foreign_signature")
    assert "not one of ann@example.com" in message
    with (bob.home / "signers").open("a", encoding="utf-8") as signers:
        signers.write(f"ann@example.com {bob.key.with_name('id.pub').read_text(encoding='utf-8')}")
    shutil.copy(operator.home / "request.json", bob.home)
    add(bob, "DBA", "request.json", "--name", "ann@example.com", "--to", "forged.json")
    shutil.copy(bob.home / "forged.json", operator.home)
    before = entries(sandbox)
    assert operator.refused("signoff", "import", "forged.json")[:2] == (3, "foreign_signature")
    assert entries(sandbox) == before
    add(
        bob, "DBA", "--name", "ann@example.com"
    )  # straight into the journal, where nobody stops him: it still does not count
    verified = operator.run("signoff", "verify")
    assert (
        verified.returncode,
        "The signature is not one of ann@example.com" in " ".join(verified.stdout.split()),
    ) == (7, True)


@long
def test_unsigned_records_in_the_journal_never_count(sandbox: Sandbox, team: dict[str, Machine]) -> None:
    """With allowed signers, an approval or attestation that somebody made without them is worth nothing."""
    ann, operator = team["ann"], team["operator"]
    ann.configure({'allowed_signers = "signers"': ""})
    ann.ok("signoff", "attest", "reviews=5", "critical_issues=0", "--link", LINK, "--name", "ann@example.com")
    code, name, message = operator.refused("signoff", "request", "request.json")
    assert (code, name, "attestations.reviews: not attested" in message) == (7, "check_failed", True)
    assert not (operator.home / "request.json").exists()
    attest(team["bob"])
    operator.ok("signoff", "request", "request.json")
    ann.ok("signoff", "request", "own.json")
    ann.ok("signoff", "add", "own.json", "--role", "DBA", "--name", "ann@example.com", "--yes")
    operator.ok("signoff", "request", "request.json")
    sheet = operator.ok("signoff", "list")
    assert not any(row["counts"] for row in sheet["rows"])


def test_an_outdated_request_is_refused_with_what_has_changed(
    sandbox: Sandbox, team: dict[str, Machine]
) -> None:
    """A changed image in the configuration, a newer attestation, a newer request, a modified file."""
    ann, bob, operator = team["ann"], team["bob"], team["operator"]
    attest(ann)
    operator.ok("signoff", "request", "request.json")
    attest(ann, "critical_issues=1")
    before = entries(sandbox)
    code, name, message = bob.refused("signoff", "add", "--role", "QA Lead", "--key", "id", "--yes")
    assert (code, name, entries(sandbox)) == (3, "outdated_signoff", before)
    assert "attestation critical_issues was 0 (ann@example.com" in message
    assert operator.run("signoff", "request", "request.json").returncode == 7
    attest(ann, "critical_issues=0")
    shutil.copy(operator.home / "request.json", bob.home / "old.json")
    image = ("--image", "payment-api=2.0.0-slow")
    attest(ann, "reviews=5", "critical_issues=0", *image)  # an attestation is about the images, too
    operator.ok("signoff", "request", "request.json", *image)
    code, name, message = bob.refused(
        "signoff", "add", "old.json", "--role", "QA Lead", "--key", "id", "--yes"
    )
    assert (code, name, "image payment-api.api was 2.0.0, is 2.0.0-slow" in message) == (
        3,
        "outdated_signoff",
        True,
    )
    bob.configure({'"payment-api.api" = "2.0.0"': '"payment-api.api" = "3.0.0"'})
    code, name, message = bob.refused(
        "signoff", "add", "old.json", "--role", "QA Lead", "--key", "id", "--yes"
    )
    assert (code, name, "image payment-api.api was 2.0.0, is 3.0.0" in message) == (
        3,
        "outdated_signoff",
        True,
    )
    text = (bob.home / "old.json").read_text(encoding="utf-8")
    (bob.home / "old.json").write_text(text.replace('"2.0.0"', '"3.0.0"'), encoding="utf-8")
    code, name, message = bob.refused(
        "signoff", "add", "old.json", "--role", "QA Lead", "--key", "id", "--yes"
    )
    assert (code, name, "it was modified" in message) == (2, "invalid_input", True)


def test_a_passphrase_is_typed_at_the_terminal_or_held_by_the_agent(team: dict[str, Machine]) -> None:
    """Without either, the command ends at once with the key's name; cartctl itself never sees the passphrase."""
    ann, bob, operator = team["ann"], team["bob"], team["operator"]
    attest(ann)
    operator.ok("signoff", "request", "request.json")
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(bob.key)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    began = time.monotonic()
    code, name, message = bob.refused("signoff", "add", "--role", "QA Lead", "--key", "id", "--yes")
    assert (code, name, "passphrase" in message, time.monotonic() - began < 20) == (
        2,
        "unusable_key",
        True,
        True,
    )
    screen = at_terminal(
        bob,
        ("signoff", "add", "--role", "QA Lead", "--key", "id"),
        {"Approve this": "y\n", "passphrase": "open sesame\n"},
    )
    assert "Approved as QA Lead: bob@example.com." in screen
    assert "open sesame" not in screen

    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(ann.key)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with agent(ann.home, ann.key, "open sesame") as socket:
        ann.ok("signoff", "add", "--role", "DBA", "--key", "id.pub", "--yes", SSH_AUTH_SOCK=socket)
    assert operator.run("signoff", "verify").returncode == 0


def at_terminal(machine: Machine, argv: tuple[str, ...], replies: dict[str, str]) -> str:
    """Run a command at a terminal of its own; reply to each prompt once. Returns what the terminal showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(machine.home)
        os.environ["CARTCTL_STATE_DIR"] = str(machine.home / "state")
        os.execv(sys.executable, [sys.executable, "-m", "cartctl", *argv])  # noqa: S606 - the child of a fork
    screen, open_replies = "", dict(replies)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 1)
        try:
            screen += os.read(terminal, 4096).decode() if ready else ""
        except OSError:
            break
        for prompt in [prompt for prompt in open_replies if prompt in screen]:
            os.write(terminal, open_replies.pop(prompt).encode())
    os.close(terminal)
    os.waitpid(pid, 0)
    return screen


@contextmanager
def agent(home: Path, key: Path, passphrase: str) -> Iterator[str]:
    """An ssh-agent that holds one key; gives the path of its socket."""
    socket, askpass = home / "agent.sock", home / "askpass"
    askpass.write_text(f"#!/bin/sh\necho '{passphrase}'\n", encoding="utf-8")
    askpass.chmod(0o700)
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(socket.exists)
            own = {"SSH_AUTH_SOCK": str(socket), "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
            subprocess.run(["ssh-add", "-q", str(key)], check=True, env={**os.environ, **own})
            yield str(socket)
        finally:
            process.terminate()


def test_sign_offs_and_window_cannot_be_skipped(team: dict[str, Machine]) -> None:
    """Neither the check, nor one role, nor the preflight as a whole; --skip needs a reason, which the run records."""
    operator = team["operator"]
    for step, message in (
        ("preflight.signoff", "The preflight check signoff cannot be skipped"),
        ("preflight.signoff.DBA", "The preflight check signoff.DBA cannot be skipped"),
        ("preflight.window", "The preflight check window cannot be skipped"),
        ("preflight", "Step preflight cannot be skipped in sandbox"),
    ):
        code, name, shown = operator.refused("deploy", "--yes", "--skip", step, "--reason", "late")
        assert (code, name, message in shown) == (2, "usage", True), shown
    assert operator.refused("deploy", "--yes", "--skip", "cdn")[2] == "--skip requires --reason."


@long
def test_the_reason_of_a_skip_is_recorded_and_approved_with_it(team: dict[str, Machine]) -> None:
    """It is in the request's plan; a deployment that skips something else is not what was approved."""
    ann, bob, operator = team["ann"], team["bob"], team["operator"]
    attest(ann)
    skip = ("--skip", "preflight.recovery", "--skip", "smoke", "--reason", "no archive here", *MONITOR)
    request = operator.ok("signoff", "request", "request.json", *skip)
    assert request["subject"]["plan"]["skip"] == ["preflight.recovery", "smoke"]
    assert "smoke (--skip: no archive here)" in request["steps"]
    add(ann, "DBA")
    add(bob, "QA Lead")
    other = operator.run("deploy", "--yes", *MONITOR)
    assert (other.returncode, "plan skip was" in " ".join(other.stdout.split())) == (3, True)
    report = operator.ok("deploy", "--yes", *skip)
    assert report["asked"]["reason"] == "no archive here"
    assert any(
        "recovery: skipped: no archive here" in one for one in report["warnings"]
    ) or "recovery" in json.dumps(report)


@pytest.fixture
def unsigned(team: dict[str, Machine]) -> dict[str, Machine]:
    """A team that records approvals by name alone."""
    for machine in team.values():
        machine.configure(
            {
                'allowed_signers = "signers"': "",
                'signers = { "ann@example.com" = ["DBA"], "bob@example.com" = ["QA Lead"] }': "",
            }
        )
    return team


def test_without_signers_one_name_approves_in_one_role(unsigned: dict[str, Machine]) -> None:
    """Nobody says who has which role: two roles are two people."""
    operator = unsigned["operator"]
    operator.ok("signoff", "attest", "reviews=6", "critical_issues=0", "--link", LINK, "--name", "Ann")
    operator.ok("signoff", "request", "request.json")
    operator.ok("signoff", "add", "--role", "DBA", "--name", "Ann", "--yes")
    code, name, message = operator.refused("signoff", "add", "--role", "QA Lead", "--name", "Ann", "--yes")
    assert (code, name, "Ann has approved as DBA" in message) == (3, "role_not_held", True)
    operator.ok("signoff", "add", "--role", "QA Lead", "--name", "Bob", "--yes")
    verified = operator.ok("signoff", "verify")
    assert [check["observed"].split(", ")[-1] for check in verified["checks"][2:]] == [
        "not signed",
        "not signed",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    (
        (b"", "it is not valid JSON"),
        (b"[]", "it is not a signoff records"),
        (b'{"kind": "signoff_records", "version": 2}', "its version is not 1"),
        (b'{"kind": "signoff_records", "version": 1}', "it has no records"),
        (b'{"kind": "signoff_records", "version": 1, "signoffs": [{"role": 1}]}', "has an invalid field"),
        (b'{"kind": "signoff_records", "version": 1, "signoffs": 7}', "has an invalid field"),
        (b"\xff\xfe", "it is not UTF-8 text"),
    ),
)
def test_a_malformed_file_is_one_sentence(team: dict[str, Machine], content: bytes, message: str) -> None:
    """Exit code 2 with the file's name."""
    operator = team["operator"]
    (operator.home / "odd.json").write_bytes(content)
    code, _, shown = operator.refused("signoff", "import", "odd.json")
    assert (code, "odd.json: " in shown, message in shown) == (2, True, True), shown


def test_a_request_needs_a_file_that_can_be_written(sandbox: Sandbox, team: dict[str, Machine]) -> None:
    """A directory and a missing one are refused before anything is checked or recorded."""
    operator = team["operator"]
    for path, message in ((".", "it is a directory"), ("none/request.json", "No such file or directory")):
        code, name, shown = operator.refused("signoff", "request", path)
        assert (code, name, message in shown) == (2, "usage", True)
    assert entries(sandbox) == 0
