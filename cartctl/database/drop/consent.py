"""What the operator must agree to before a database rollback, and what prevents it in any case. Pure."""

from dataclasses import dataclass

from cartctl.database.contract.existing_objects import some_of
from cartctl.database.drop.plan_objects import DropPlan
from cartctl.errors import Refused


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator has agreed to."""

    data_loss: bool = False
    keep_dependents: bool = False
    keep_labels: bool = False


NOTHING_ALLOWED = Allowed()


def require(plan: DropPlan, *, allow_data_loss: bool) -> None:
    """Raise Refused, naming every conflict, unless the plan can be executed."""
    if plan.later:
        by = f" (migrations since: {', '.join(plan.later_migrations)})" if plan.later_migrations else ""
        raise Refused(
            f"The cart's tables were changed after this deployment{by}: {some_of(plan.later)}. Nothing was changed.",
            hint="Roll back the code alone (without --database); or first revert those changes with the tool that made them.",
        )
    if plan.irreversible:
        raise Refused(
            f"The migration also made changes that cannot be undone here: {some_of(plan.irreversible)}.",
            hint="Roll back the code alone (without --database); or restore the snapshot taken before, which loses everything written since: cartctl snapshot restore ID --plan shows how much.",
        )
    if plan.dependents:
        raise Refused(
            f"Other objects depend on what would be dropped: {'; '.join(plan.dependents)}.",
            hint="Remove those first; --keep-dependents keeps an enum that is still used elsewhere.",
        )
    if blocked := [
        f"{', '.join(each.labels)} of {each.enum}: {why}" for each in plan.labels for why in each.blocked
    ]:
        raise Refused(
            f"Labels that the migration added cannot be removed: {some_of(blocked)}. Nothing was changed.",
            hint="--keep-labels leaves them in place; a plain ADD VALUE in the application's file then fails at the next "
            "prisma migrate deploy (cartctl recognises them).",
        )
    if (plan.rows or plan.values) and not allow_data_loss:
        counts = [f"{table.name} {table.rows}" for table in plan.tables if table.rows]
        counts += [f"{column} {column.values}" for column in plan.columns if column.values]
        raise Refused(
            f"The tables hold rows: {', '.join(counts)}.",
            hint="They would be saved first; to continue, use --allow-data-loss.",
        )


def refuse_nothing(plan: DropPlan) -> None:
    """Raise Refused when the cart's tables exist and the plan drops none: the operator expects a drop."""
    if plan.older and not plan.drops:
        raise Refused(
            f"The cart's tables existed before this run ({', '.join(plan.older)}): cartctl does not drop them.",
            hint="Roll back only the code: omit --database. Drop the tables with the tool that created them.",
        )
