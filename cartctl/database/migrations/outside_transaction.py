"""Migration files of the application that PostgreSQL does not execute inside a transaction, run as Prisma runs them.

As the native schema engine of Prisma 6.19 does: the ledger's row is written first, the file is sent whole, as one simple
query outside a transaction, and the row is finished then, or left failed with the error. (The engine with a driver adapter
sends statement by statement.) A simple query of several statements is a transaction of its own unless they control one.
"""

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, SqlFailed, translated
from cartctl.database.migrations import ledger
from cartctl.database.migrations.application.file_statements import read_statements
from cartctl.database.migrations.pending import Work
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed
from cartctl.migrations.frozen import Frozen


def runs_outside(work: Work, migration: Frozen) -> bool:
    """Whether the application's file is executed outside a transaction: it controls its own, or cannot be in any."""
    if not work.application.run or work.adopts(migration):
        return False
    file = read_statements(work.application.files[migration.name])
    return file.controls is not None or file.outside is not None


def execute_outside(driver: Connection, migration: Frozen, work: Work, pulse: Pulse) -> None:
    """Execute the file and keep Prisma's row of it. It is never repeated: a part may be committed.

    Raises StepFailed for one that fails; its row in the ledger stays failed, which stops every later migration.
    """
    row = None
    if work.ledger.present:
        row = ledger.begin(work.aside, migration.name, work.application.checksum(migration))
    driver.autocommit = True
    try:
        with translated(), pulse.cancelling(driver.cancel_safe), work.session(driver):
            with effect(f"postgres.migrate.{migration.name}"):
                driver.execute(work.script(migration))
            _refuse_open(driver)
    except SqlFailed as failed:
        driver.rollback()
        if row is not None:
            ledger.fail(work.aside, row, failed.message)
        raise StepFailed(
            f"Migration {migration.name}, which runs outside a transaction, failed: {failed.message}. Part of it may be in place.",
            hint="Check what is in place (cartctl migrate verify), and complete or remove it. Then: npx prisma migrate resolve "
            f"--applied {migration.name} (or --rolled-back), and deploy again.",
        ) from failed
    finally:
        driver.autocommit = False
    if row is not None:
        ledger.finish(work.aside, row)


def _refuse_open(driver: Connection) -> None:
    if driver.info.transaction_status.name != "IDLE":
        raise SqlFailed("the file leaves a transaction open", hint="", sqlstate="25000")
