"""The supervisor's saved state: the specs and its processes, so that the next one ends those that were left behind."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cartctl.private_files import write_private
from cartctl.sandbox.layout import Layout, read_json
from cartctl.sandbox.supervisor.model import Pod, Spec, first_specs

if TYPE_CHECKING:
    import psutil

LEFT_BEHIND_SECONDS = 1.0  # seconds for each, for requests in progress


@dataclass(slots=True)
class State:
    """The specs by name, and the processes by pod name, as stored in the sandbox's directory."""

    layout: Layout
    specs: dict[str, Spec]
    processes: dict[str, int] = field(default_factory=dict)
    written: str = ""

    @classmethod
    def load(cls, layout: Layout) -> "State":
        """The saved state, or a new sandbox's."""
        stored = read_json(layout.state)
        if stored is None:
            return cls(layout, first_specs(datetime.now(UTC).isoformat()))
        specs = {name: Spec.load(document) for name, document in stored["specs"].items()}
        return cls(layout, specs, stored["processes"])

    def save(self, processes: Mapping[str, int]) -> None:
        """Save the specs and the running processes; nothing is written when nothing changed."""
        self.processes = dict(processes)
        specs = {name: spec.dump() for name, spec in self.specs.items()}
        text = json.dumps({"specs": specs, "processes": self.processes}, indent=1)
        if text != self.written:
            write_private(self.layout.state, text)
            self.written = text

    def write_targets(self, pods: Sequence[Pod]) -> None:
        """Write Prometheus' scrape targets."""
        addresses = sorted(f"127.0.0.1:{pod.port}" for pod in pods if pod.port and pod.ending is None)
        text = json.dumps([{"targets": addresses, "labels": {"deployment": "payment-api"}}])
        if not self.layout.targets.exists() or self.layout.targets.read_text(encoding="utf-8") != text:
            write_private(self.layout.targets, text)

    def end_left_behind(self) -> None:
        """End replicas of a crashed supervisor. Only processes that still match the saved state are signalled."""
        from cartctl.adapters.local_process import ended

        left = [process for pod, pid in self.processes.items() if (process := self._replica(pod, pid))]
        for process in left:
            process.terminate()
        for process in left:
            if not ended(process, LEFT_BEHIND_SECONDS):
                process.kill()
                ended(process, LEFT_BEHIND_SECONDS)

    def _replica(self, pod: str, pid: int) -> "psutil.Process | None":
        from cartctl.adapters.local_process import running_process

        return running_process(
            pid, lambda arguments: list(arguments[-2:]) == [pod, str(self.layout.directory)]
        )
