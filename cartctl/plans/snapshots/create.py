"""Take a snapshot, and list snapshots and backups."""

from cartctl.config.model.environment import Environment
from cartctl.database.catalogue import fingerprint_hash
from cartctl.engine.pulse import Pulse
from cartctl.errors import CheckFailed, UsageError
from cartctl.ports import Ports
from cartctl.snapshots.backup_providers import open_provider, shown
from cartctl.snapshots.create import Subject, create, new_id
from cartctl.snapshots.storage.destination import open_store, refuse_plain
from cartctl.snapshots.storage.entries import Snapshot, Snapshots
from cartctl.snapshots.verify import verify


def take(ports: Ports, pulse: Pulse, *, pin: bool) -> Snapshot:
    """Take a verified dump, or another tool's backup.

    Raises Refused for a plain dump of a protected environment, CheckFailed for a dump that does not verify.
    """
    env = ports.env
    if provider := open_provider(env.database.snapshots):
        if pin:
            raise UsageError(
                f"--pin is not supported with {provider.name}, which has its own retention.",
                hint="Omit --pin.",
            )
        return shown(provider, provider.create(new_id(), pulse))
    refuse_plain(env)
    store = open_store(env)
    snapshot = create(Subject(env.name, ports.database, fingerprint_hash), store, new_id(), pulse)
    if bad := verify(store, snapshot.id, pulse).bad():
        raise CheckFailed(
            f"The snapshot {snapshot.id} failed verification: {bad[0].observed}", hint=bad[0].hint
        )
    if pin:
        store.pin(snapshot.id, "by hand")
    return store.entry(snapshot.id)


def known(env: Environment, pulse: Pulse) -> Snapshots:
    """List our dumps and another tool's backups, newest first. Read-only."""
    snapshots = list(open_store(env).list().snapshots)
    if provider := open_provider(env.database.snapshots):
        snapshots += [shown(provider, backup) for backup in provider.backups(pulse)]
    return Snapshots(tuple(sorted(snapshots, key=lambda entry: (entry.created_at, entry.id), reverse=True)))
