"""What a manifest records of a database's state, so that a restore can tell what has changed since."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from cartctl.snapshots.manifest.untrusted import Count, Integer, Line, Name, Part, without_nul

ObjectName = Annotated[str, StringConstraints(max_length=4000), AfterValidator(without_nul)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
SnapshotText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}:[0-9]{1,19}:[0-9,]*$")]


class Table(Part):
    """One table with its exact number of rows, counted in the dump's own snapshot."""

    schema_name: Name
    name: Name
    rows: Count

    @property
    def full_name(self) -> str:
        """The name for people and in results."""
        return f"{self.schema_name}.{self.name}"


class Sequence(Part):
    """One sequence; `called` is false where `last_value` is the next to be given."""

    schema_name: Name
    name: Name
    last_value: Integer
    called: bool


class Origin(Part):
    """Where and when, in transactions: the server's system identifier, the database's OID, and the transaction snapshot.

    `visible` are the transaction ids from the snapshot's oldest running one on whose rows the snapshot saw: the text
    of a snapshot names no subtransactions, and on a standby no transactions at all. None: too many to record.
    """

    system_identifier: Line
    database: Count
    snapshot: SnapshotText
    visible: tuple[Count, ...] | None = ()

    @property
    def xmin(self) -> int:
        """The oldest transaction that was running."""
        return int(self.snapshot.split(":")[0])

    @property
    def xmax(self) -> int:
        """The first transaction that had not begun."""
        return int(self.snapshot.split(":")[1])


class State(Part):
    """The whole database: `others` are tables whose rows a dump does not contain: extensions' and large objects.

    `objects` has a digest of every object's definition, by its type and name; `extensions` their versions.
    """

    origin: Origin
    others: tuple[Table, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    objects: dict[ObjectName, Digest] = Field(default_factory=dict)
    extensions: dict[Name, Line] = Field(default_factory=dict)
