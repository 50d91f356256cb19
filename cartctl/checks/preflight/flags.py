"""Whether a rollout that is under way still means what it meant: the library's hash, the seed, and what the application answers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cartctl.adapters.cluster import Cluster
from cartctl.adapters.flag_store import ConfigMapFlags, FileFlags, FlagStore
from cartctl.adapters.postgres import Postgres
from cartctl.checks.flag_responses import FlagResponses, FlagsEndpoint
from cartctl.checks.results import failed, passed, warned
from cartctl.config.model.rollout import Rollout
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse
from cartctl.rollout.companies import read_companies
from cartctl.rollout.document import Setting, is_by_hand, names_of, parse, read_setting, values_in
from cartctl.rollout.evaluation import Evaluation
from cartctl.rollout.flag_names import FLAGS
from cartctl.rollout.recorded_bucketing import BucketingChanged, refuse_changed, refuse_other_library

SAMPLE = 8  # companies
AT_ONCE = 5.0  # seconds that every replica may take to agree


def check_flags(
    rollout: Rollout,
    cluster: Cluster,
    database: Callable[[], Postgres],
    endpoint: FlagsEndpoint,
    began_with: Callable[[], Mapping[str, Any]],
    pulse: Pulse,
) -> Iterator[CheckResult]:
    """The flags' document can be read; a rollout in it has its seed, its library, what its start recorded (`began_with`) and the application's agreement. Read-only."""
    where = rollout.flags
    store: FlagStore = (
        FileFlags(where.file) if where.file else ConfigMapFlags(cluster, where.configmap, where.key)
    )
    stored = store.read()
    document = parse(stored.text, store.place)
    values = values_in(document, stored.plain, names_of(plain=store.keeps_plain))
    setting, recorded = read_setting(values), began_with()
    if setting is None and not recorded:
        state = "does not exist yet" if stored.text is None else "can be read"
        yield passed("flags", f"{store.place} {state}; no rollout is in progress")
        return
    if wrong := _other_bucketing(rollout, setting, recorded):
        yield wrong
        return
    if setting is None:
        state = f"a rollout is in progress; {store.place} was modified externally"
        yield warned("flags", state, "as the rollout wrote it", "See: cartctl flags list")
        return
    yield passed(
        "flags",
        f"{setting.percent.normalize():f} %, {setting.allocation}, the flags library evaluates as when shipped",
    )
    if rollout.companies is None:
        return
    ids = read_companies(rollout.companies, database()).ids
    evaluation, follow = Evaluation(document), [flag for flag in FLAGS if not is_by_hand(values.get(flag))]
    some = (*rollout.internal_companies[:1], *ids[:: max(1, len(ids) // SAMPLE)])
    expected = {one: {flag: evaluation.on(flag, one) for flag in follow} for one in some}
    yield from (
        FlagResponses("flags.application", cluster, endpoint, expected, timeout=AT_ONCE, optional=True)
        .judge(pulse)
        .checks
    )


def _other_bucketing(
    rollout: Rollout, setting: Setting | None, recorded: Mapping[str, Any]
) -> CheckResult | None:
    """What would put companies elsewhere: another library, another seed, anything else that the start recorded."""
    try:
        refuse_other_library()
    except BucketingChanged as other:
        return failed("flags.library", other.message, "the shipped table of IDs", other.hint)
    if setting is not None and setting.seed != rollout.seed:
        hint = "Restore rollout.seed: otherwise companies would lose the feature."
        observed = f"written with {setting.seed!r}, configured {rollout.seed!r}"
        return failed("flags.seed", observed, setting.seed, hint)
    try:
        if recorded:
            refuse_changed(recorded, rollout.seed)
    except BucketingChanged as other:
        return failed("flags.record", other.message, "as the rollout's start recorded it", other.hint)
    return None
