"""What a rollback would do, as text: its plan and, with the database, what would be dropped."""

from cartctl.plans.rolling_back import Shown
from cartctl.render.database_text import drop_plan
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.plan_text import plan
from cartctl.render.text import renderable


@renderable.register
def shown(result: Shown) -> RenderableType:
    """The run that is rolled back, its time and images, the plan, the drop."""
    parts: list[RenderableType] = [Text(f"rolls back {result}", "bold"), Text(), plan(result.plan)]
    if result.database:
        parts += [Text(), drop_plan(result.database)]
    return Group(*parts)
