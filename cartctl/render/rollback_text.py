"""What a rollback would do, as text: its plan and, with the database, what would be dropped."""

from cartctl.engine.model import CheckResult, Verdict
from cartctl.plans.rolling_back import Shown
from cartctl.render.database_text import drop_plan
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.plan_text import plan
from cartctl.render.text import STYLE, renderable


@renderable.register
def shown(result: Shown) -> RenderableType:
    """The run that is rolled back, its time and images, the plan, the drop."""
    parts: list[RenderableType] = [Text(f"rolls back {result}", "bold"), Text(), plan(result.plan)]
    if result.database:
        parts += [Text(), drop_plan(result.database)]
        parts += [_check(each) for each in result.checks.checks if each.verdict is not Verdict.PASS]
    return Group(*parts)


def _check(result: CheckResult) -> Text:
    told = Text(f"{result.verdict.value:<9} {result.name}: {result.observed}", STYLE[result.verdict])
    return told.append(f"\n          {result.hint}", "dim") if result.hint else told
