"""The migrations as files: exported byte for byte, linted."""

import hashlib
from pathlib import Path

import pytest

from cartctl.adapters.squawk import lint
from cartctl.config.model.environment import ACCEPTED
from cartctl.database.migrations.export import Form, export
from cartctl.database.migrations.lint import judge_findings, lint_migrations
from cartctl.engine.model import Verdict
from cartctl.errors import Refused
from cartctl.migrations.frozen import MIGRATIONS


def test_prismas_folders_are_byte_for_byte(tmp_path: Path) -> None:
    """Each folder holds the file whose checksum Prisma's ledger gets, beside the provider's lock file."""
    done = export(Form.PRISMA, tmp_path / "migrations")
    assert len(done.written) == 4
    for migration in MIGRATIONS:
        content = (tmp_path / "migrations" / migration.name / "migration.sql").read_bytes()
        assert hashlib.sha256(content).hexdigest() == migration.checksum
    assert 'provider = "postgresql"' in (tmp_path / "migrations/migration_lock.toml").read_text()
    assert export(Form.PRISMA, tmp_path / "migrations").written == ()


def test_nothing_is_written_over_another_content(tmp_path: Path) -> None:
    """A file of somebody else's stops it before anything is written."""
    other = tmp_path / MIGRATIONS[2].name / "migration.sql"
    other.parent.mkdir()
    other.write_text("SELECT 1;")
    with pytest.raises(Refused, match="different content"):
        export(Form.SQL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [MIGRATIONS[2].name]


def test_the_frozen_files_pass_with_their_reasons() -> None:
    """Everything Squawk minds in our files is accepted with a reason; without the reasons it fails."""
    assert lint_migrations(ACCEPTED).verdict is Verdict.PASS
    assert lint_migrations({}).verdict is Verdict.FAIL


def test_every_reason_is_needed() -> None:
    """A reason for a rule that nothing breaks any more would hide the next break."""
    files = {each.name: each.up for each in MIGRATIONS} | {
        f"{each.name}+": each.strict for each in MIGRATIONS
    }
    assert {each.rule for each in lint(files)} == set(ACCEPTED)


def test_a_new_finding_fails_with_its_line() -> None:
    """A rule that nobody accepted fails, with the place and what to do."""
    files = {"1_x/migration.sql": b"SELECT 1;\nDROP TABLE carts;\n"}
    checks = judge_findings(files, lint(files), ACCEPTED)
    assert checks.verdict is Verdict.FAIL
    assert "line 2" in next(
        str(each.observed) for each in checks.checks if each.name.startswith("ban-drop-table")
    )
