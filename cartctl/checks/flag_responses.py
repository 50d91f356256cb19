"""What the deployed application itself answers about its flags, replica by replica: having written them proves nothing."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from cartctl.adapters.cluster import Cluster, ClusterUnreachable, Pod, PodResponse
from cartctl.checks.results import failed, passed
from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.inputs import MALFORMED, parse_json

OK, NOT_FOUND = 200, 404
SAMPLE = 12  # companies asked about
HINT = "Set rollout.ask_path to the endpoint described in runbooks/rollout.md."


@dataclass(frozen=True, slots=True)
class FlagsEndpoint:
    """Whose pods are asked, at which path, with whose token."""

    deployments: tuple[str, ...]
    path: str
    token: str | None


class FlagResponses(Check):
    """Every replica answers `expected`: company → flag → whether it is on. `timeout` is what a change may take to arrive (seconds).

    An application that does not know the path is unknown, or with `optional` a warning: no version with flags runs yet.
    """

    def __init__(
        self,
        key: str,
        cluster: Cluster,
        endpoint: FlagsEndpoint,
        expected: Mapping[str, Mapping[str, bool]],
        *,
        timeout: float,
        optional: bool = False,
    ) -> None:
        self.key = key
        self._cluster = cluster
        self._endpoint = endpoint
        self._expected = dict(list(expected.items())[:SAMPLE])
        self._timeout = timeout
        self._optional = optional

    def judge(self, pulse: Pulse) -> Checks:
        """One result for the sample, when every replica agrees or at the end of the time. Read-only."""
        if not self._expected:
            return Checks((self._without(Verdict.UNKNOWN, "no companies to check"),))
        results: list[CheckResult] = []

        def agreed() -> bool:
            results[:] = [self._compare()]
            return results[0].verdict is not Verdict.FAIL

        with suppress(TimedOut):  # the last look says what is different
            pulse.wait(agreed, self._timeout, what="The flags in every pod", every=0.1)
        return Checks.of(results)

    def _compare(self) -> CheckResult:
        pods = [pod for name in self._endpoint.deployments for pod in self._cluster.pods(name) if pod.ready]
        if not pods:
            return self._without(Verdict.UNKNOWN, "no replica of the API is ready")
        for pod in pods:
            for company, flags in self._expected.items():
                if difference := self._differs(pod, company, flags):
                    return difference
        return passed(self.key, f"{len(pods)} replicas agree on {len(self._expected)} companies")

    def _differs(self, pod: Pod, company: str, expected: Mapping[str, bool]) -> CheckResult | None:
        """None when a pod answers as it should."""
        try:
            response = self._ask(pod, company)
        except ClusterUnreachable as error:
            return self._failed(error.message, "a response")
        if response.status == NOT_FOUND:
            verdict = Verdict.WARN if self._optional else Verdict.UNKNOWN
            return self._without(verdict, f"{pod.name} has no endpoint {self._endpoint.path}")
        if response.status != OK:
            return self._failed(f"HTTP {response.status} from {pod.name}{self._endpoint.path}", f"HTTP {OK}")
        flags = _flags(response)
        wrong = [flag for flag, on in expected.items() if flags.get(flag) is not on]
        if not wrong:
            return None
        return self._failed(
            f"{pod.name} says {wrong[0]} is {_word(flags.get(wrong[0]))} for {company}",
            _word(expected[wrong[0]]),
        )

    def _ask(self, pod: Pod, company: str) -> PodResponse:
        headers = {"authorization": f"Bearer {self._endpoint.token}"} if self._endpoint.token else {}
        return self._cluster.ask(pod, f"{self._endpoint.path}?company={quote(company, safe='')}", headers)

    def _failed(self, observed: str, expected: str) -> CheckResult:
        return failed(self.key, observed, expected, "See a company's flags: cartctl flags eval --company ID")

    def _without(self, verdict: Verdict, observed: str) -> CheckResult:
        return CheckResult(self.key, verdict, observed, "a response from every replica", HINT)


def _flags(response: PodResponse) -> Mapping[str, object]:
    try:
        flags = parse_json(response.body)["flags"]
    except MALFORMED:
        return {}
    return flags if isinstance(flags, Mapping) else {}


def _word(on: object) -> str:
    return {True: "on", False: "off"}.get(on, "not answered") if isinstance(on, bool) else "not answered"
