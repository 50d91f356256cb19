"""Whether an application's file makes what the cart needs, judged by the contract and not by comparison with our own files.

A run judges each file in the file's own transaction, before the commit; a dry run does the same, so that both accept the same
files. A trial on another server remains for files of which this cannot be known, or only too late.
"""

from collections.abc import Iterable

from cartctl.adapters.postgres import Connection
from cartctl.database.catalogue import read_catalogue
from cartctl.database.contract.contract_check import CatalogueObjects
from cartctl.database.contract.definition import required_enums, required_tables
from cartctl.database.contract.existing_objects import some_of
from cartctl.database.contract.migration_objects import described, required_faults
from cartctl.database.migrations.application.file_statements import read_statements
from cartctl.database.migrations.application.files import ApplicationFiles
from cartctl.database.migrations.application.identifiers import identifiers
from cartctl.errors import Refused
from cartctl.migrations.frozen import Frozen


def refuse_lacking(connection: Connection, migration: Frozen) -> None:
    """Raise Refused, for the caller to roll back, where the file just executed does not make what the cart needs. Read-only."""
    faults = described(required_faults(CatalogueObjects(read_catalogue(connection)), migration))
    if faults:
        raise Refused(
            f"The application's migration {migration.name} does not create what the cart needs: {some_of(faults)}. "
            "It was rolled back.",
            hint="Check the application's version, and run cartctl rehearse to see what its files create.",
        )


def must_be_tried(application: ApplicationFiles, migrations: Iterable[Frozen]) -> bool:
    """Whether any of these files has to be executed elsewhere before a run.

    So do files that are not run but compared with ours, files that PostgreSQL does not execute in a transaction,
    which could not be rolled back, and those that do not name everything that the cart needs: to find that only in the
    last file would leave the others applied.
    """
    return not application.run or any(
        not (application.same_as_ours(each) or _can_verify_before_commit(application.files[each.name], each))
        for each in migrations
        if each.name in application.files
    )


def _can_verify_before_commit(content: bytes, migration: Frozen) -> bool:
    file = read_statements(content)
    return (
        file.controls is None and file.outside is None and required_names(migration) <= identifiers(content)
    )


def required_names(migration: Frozen) -> set[str]:
    """The tables with their required columns, and the enums, that a migration must make. Pure."""
    made = {each.makes for each in migration.statements(strict=False)}
    names = {name for name in required_enums() if name in made}
    for table in required_tables():
        if table.name in made:
            names |= {table.name, *(column.name for column in table.columns if not column.own)}
    return names
