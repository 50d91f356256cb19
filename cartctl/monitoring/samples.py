"""The samples of a run for its report: metrics, triggers and replicas over time, in a local file next to the run's journal.

They decide nothing. A sample that cannot be recorded is lost; it never stops a run.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from cartctl.adapters.metrics.source import Metric
from cartctl.errors import CartctlError
from cartctl.inputs import MALFORMED, MEBIBYTE, InvalidInput, parse_json, read_bytes
from cartctl.monitoring.thresholds import Limits
from cartctl.monitoring.tick import Tick
from cartctl.private_files import append_private

LARGEST = 32 * MEBIBYTE  # size of a run's samples; 24 hours at 15 s take 2 MiB
FILE = "samples.ndjson"  # in a run's directory
Replicas: TypeAlias = Mapping[str, tuple[int, int]]  # deployment → available and requested


@dataclass(frozen=True, slots=True)
class RecordedSample:
    """All values at one time: metric → value and verdict, trigger → state and its seconds, deployment → replicas."""

    at: datetime
    metrics: Mapping[str, tuple[float | None, str]]
    triggers: Mapping[str, tuple[str, float]]
    replicas: Replicas


@dataclass(frozen=True, slots=True)
class RunSamples:
    """The samples of a run in order, with the limits of each metric by which they were judged."""

    limits: Mapping[str, Limits]
    samples: tuple[RecordedSample, ...]


class SampleRecorder:
    """Appends each tick of a run's watch to `path`. `replicas` reads the current replicas; its failures are ignored."""

    def __init__(self, path: Path, limits: Mapping[Metric, Limits], replicas: Callable[[], Replicas]) -> None:
        self._path = path
        self._limits = limits
        self._replicas = replicas
        self._begun = False

    def __call__(self, tick: Tick) -> None:
        """Record one tick. Called from the watch's thread."""
        replicas: Replicas = {}
        with suppress(CartctlError):
            replicas = self._replicas()
        with suppress(OSError):
            self._append(
                {
                    "at": tick.at.isoformat(),
                    "metrics": {one.name.value: [one.value, one.verdict.value] for one in tick.metrics},
                    "triggers": {one.name: [one.state, one.for_seconds] for one in tick.triggers},
                    "replicas": replicas,
                }
            )

    def _append(self, line: Mapping[str, Any]) -> None:
        file = append_private(self._path)
        try:
            if not self._begun:
                limits = {str(name): asdict(one) for name, one in self._limits.items()}
                os.write(file, f"\n{json.dumps({'limits': limits})}\n".encode())
                self._begun = True
            os.write(file, f"{json.dumps(line)}\n".encode())
        finally:
            os.close(file)


def read_samples(path: Path) -> RunSamples | None:
    """The samples recorded in a file; None if there is no such file. Malformed lines, as after a crash, are skipped.

    Raises InvalidInput for a file that cannot be read or is too large.
    """
    if not path.exists():
        return None
    limits: dict[str, Limits] = {}
    samples: list[RecordedSample] = []
    for line in _lines(read_bytes(path, limit=LARGEST)):
        with suppress(*MALFORMED):
            if "limits" in line:
                limits |= {name: Limits(**one) for name, one in line["limits"].items()}
            else:
                samples.append(_sample(line))
    return RunSamples(limits, tuple(sorted(samples, key=lambda one: one.at)))


def _lines(content: bytes) -> Iterator[Mapping[str, Any]]:
    for line in content.splitlines():
        with suppress(UnicodeDecodeError, InvalidInput):
            parsed = parse_json(line.decode()) if line.strip(b"\0 ") else None
            if isinstance(parsed, dict):
                yield parsed


def _sample(line: Mapping[str, Any]) -> RecordedSample:
    """Raises one of MALFORMED."""
    at = datetime.fromisoformat(line["at"])
    if at.tzinfo is None:
        raise ValueError(at)
    metrics = {
        str(name): (float(value) if value is not None and math.isfinite(value) else None, str(verdict))
        for name, (value, verdict) in line["metrics"].items()
    }
    triggers = {
        str(name): (str(state), float(seconds)) for name, (state, seconds) in line["triggers"].items()
    }
    replicas = {
        str(name): (int(available), int(total)) for name, (available, total) in line["replicas"].items()
    }
    return RecordedSample(at, metrics, triggers, replicas)
