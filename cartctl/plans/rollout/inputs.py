"""The inputs of a rollout command: run record, schedule, companies and enabled companies. Read-only."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

from cartctl.adapters.flag_store import Stored
from cartctl.config.model.stages import Stage, read_stages
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.errors import Refused
from cartctl.plans.execution import step_factories
from cartctl.plans.execution.journals import Journals, open_journals
from cartctl.plans.rollout.record import read_record
from cartctl.ports import Ports
from cartctl.rollout.allocation import Ground
from cartctl.rollout.companies import Companies, read_companies
from cartctl.rollout.document import Setting, is_by_hand, parse, put_in, read_setting, values_in
from cartctl.rollout.evaluation import Buckets, Evaluation
from cartctl.rollout.flag_names import FLAGS
from cartctl.rollout.record import Record
from cartctl.rollout.recorded_bucketing import refuse_changed
from cartctl.rollout.schedule import Schedule, Standing, frozen_days
from cartctl.steps.flags import names_in

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class RolloutInputs:
    """One environment's rollout; each part is read on first use.

    `clock` gives the current time; by default it is the database's, so that two machines agree on the day.
    """

    ports: Ports
    journals: Journals
    clock: Clock
    file: FileJournal

    @cached_property
    def record(self) -> Record:
        """The record of the rollout's runs."""
        return read_record(self.journals.replicated, self.file)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The configured stages."""
        return read_stages(self.ports.env.rollout.stages)

    @property
    def standing(self) -> Standing:
        """The current stage. Raises Refused without a rollout."""
        if self.record.standing is None:
            raise Refused("No rollout has been started.", hint="Start one with: cartctl rollout start")
        return self.record.standing

    @property
    def schedule(self) -> Schedule:
        """The schedule of the current rollout, or of the configured one. Raises Refused without a start date."""
        start = self.record.start or self.ports.env.rollout.start
        if start is None:
            raise Refused(
                "No rollout has been started.", hint="Start one with: cartctl rollout start --date YYYY-MM-DD"
            )
        return self.schedule_from(start)

    def schedule_from(self, start: date) -> Schedule:
        """The schedule of a rollout that starts on a date."""
        rollout, window = self.ports.env.rollout, self.ports.env.window
        frozen = frozen_days(rollout.calendar.freeze, window.freeze if window else ())
        return Schedule(start, self.stages, rollout.calendar, frozen, rollout.soak_days)

    @cached_property
    def companies(self) -> Companies:
        """The companies that a stage's percentage refers to."""
        rollout = self.ports.env.rollout
        return read_companies(rollout.companies, self.ports.database).without(rollout.internal_companies)

    @cached_property
    def ground(self) -> Ground:
        """The input of every stage's allocation. Raises BucketingChanged when it has changed since the start."""
        rollout = self.ports.env.rollout
        if self.record.under_way:
            refuse_changed(self.record.frozen, rollout.seed)
        return Ground(self.companies, rollout.internal_companies, rollout.seed, Buckets(rollout.seed))

    @cached_property
    def stored(self) -> Stored:
        """The document's text and the plain keys, read together."""
        return step_factories.flag_store(self.ports).read()

    @property
    def document(self) -> dict[str, Any]:
        """The document of flags. Raises BrokenDocument."""
        return parse(self.stored.text, step_factories.flag_store(self.ports).place)

    @cached_property
    def values(self) -> dict[str, Any]:
        """The cart's values in the document."""
        return values_in(self.document, self.stored.plain, names_in(step_factories.flag_store(self.ports)))

    @cached_property
    def setting(self) -> Setting | None:
        """The setting that cartctl wrote; None when the values were written by something else."""
        return read_setting(self.values)

    @cached_property
    def flag(self) -> str:
        """The flag to evaluate: the first that follows the rollout. Raises Refused when none does."""
        for name in FLAGS:
            if not is_by_hand(self.values.get(name)):
                return name
        raise Refused(
            "All three flags are set manually.",
            hint="Return one to the rollout: cartctl flags set FLAG rollout",
        )

    @cached_property
    def already(self) -> frozenset[str]:
        """The enabled companies, without the internal ones."""
        if self.setting is not None and self.setting.seed == self.ground.seed:
            return self.setting.members(self.companies.ids, self.ground.buckets)
        return self.on_in(self.values)

    def on_in(self, values: Mapping[str, Any]) -> frozenset[str]:
        """The companies that the library enables for these values. Raises NotEvaluated."""
        evaluation = Evaluation(put_in(self.document, values))
        return frozenset(one for one in self.companies.ids if evaluation.on(self.flag, one))


@contextmanager
def open_inputs(
    ports: Ports, clock: Clock | None = None, *, read_only: bool = False, without_database: bool = False
) -> Iterator[RolloutInputs]:
    """Open the inputs of an environment. Raises DatabaseUnreachable, unless `without_database` is allowed.

    The runs are not copied to the cluster's small replica of the journal, which serves rollbacks of deployments.
    """
    with open_journals(ports, read_only=read_only, without_database=without_database) as journals:
        file = FileJournal(ports.directory / "runs")
        rollout_journals = Journals(ReplicatedJournal(journals.main, [file]), journals.main)
        yield RolloutInputs(ports, rollout_journals, clock or _clock_of(ports, journals), file)


def _clock_of(ports: Ports, journals: Journals) -> Clock:
    if journals.main is None:
        return lambda: datetime.now(UTC)

    def now() -> datetime:
        with ports.state.session("clock") as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
        return row[0] if row else datetime.now(UTC)

    return now
