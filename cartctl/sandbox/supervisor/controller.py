"""The control loop that reconciles processes with the specs: start, probe, restart with back-off, end."""

import secrets
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from cartctl.derived_names import POD, derive_name
from cartctl.sandbox.images import resolve
from cartctl.sandbox.layout import Layout
from cartctl.sandbox.supervisor import processes
from cartctl.sandbox.supervisor.model import Pod, Spec
from cartctl.sandbox.supervisor.rollout import decide
from cartctl.sandbox.supervisor.state import State
from cartctl.sandbox.supervisor.wake import Wake

GRACE = 20.0  # seconds a replica has to answer requests in progress
BUSY, IDLE = 0.05, 1.0  # seconds between two reconciliations, while something changes and while nothing does
PROBE_EVERY = 1.0
MISSES = 3  # failed probes in a row that make a ready replica unready
STABLE = 10.0  # seconds of running after which a crash restarts the back-off
BACK_OFF = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
LOOPING = 2  # crashes in a row that count as a crash loop


class Controller:
    """Owns the replicas' processes and the deployments' sockets; the control API changes its specs under `guard`."""

    def __init__(self, layout: Layout, state: State) -> None:
        self.layout = layout
        self.state = state
        self.specs = state.specs
        self.pods: list[Pod] = []
        self.guard = threading.RLock()
        self.woken = Wake()
        self._stopping = False
        self._probes = ThreadPoolExecutor(max_workers=4, thread_name_prefix="probe")
        self._sockets: dict[str, socket.socket] = {}

    def open(self) -> None:
        """Listen for every deployment that serves, on its previous port where that is free."""
        for spec in self.specs.values():
            if spec.serves:
                listening = processes.listen(spec.port)
                spec.port = listening.getsockname()[1]
                self._sockets[spec.name] = listening
        self.save()

    def run(self) -> None:
        """Reconcile until stopped, then end every replica."""
        while not self._stopping:
            with self.guard:
                moving = [self._reconcile(spec) for spec in self.specs.values()]
            self.woken.wait(BUSY if any(moving) else IDLE)
        self._close()

    def stop(self) -> None:
        """End the loop; safe to call from a signal handler."""
        self._stopping = True
        self.woken.set()

    def save(self) -> None:
        """Save the specs and the running processes."""
        running = [pod for pod in self.pods if pod.process is not None]
        self.state.save({pod.name: pod.process.pid for pod in running if pod.process is not None})

    def of(self, deployment: str) -> list[Pod]:
        """The pods of one deployment."""
        return [pod for pod in self.pods if pod.deployment == deployment]

    def _reconcile(self, spec: Spec) -> bool:
        """Reconcile one deployment; return whether something is still in progress."""
        mine = self.of(spec.name)
        changed = [self._attend(spec, pod) for pod in mine]
        moves = decide(spec, self.of(spec.name))
        for pod in moves.end:
            self._end(pod)
        for _ in range(moves.make):
            self._make(spec)
        spec.observed = spec.generation
        if any(changed) or moves.make or moves.end:
            self.save()
            self.state.write_targets(self.of("payment-api"))
        return any(not pod.ready or pod.ending is not None for pod in self.of(spec.name))

    def _make(self, spec: Spec) -> None:
        pod = Pod(
            name=derive_name(spec.name, f"{spec.revision}-{secrets.token_hex(4)}", POD),
            deployment=spec.name,
            container=spec.container,
            image=spec.images[spec.container],
            revision=spec.revision,
            started=time.monotonic(),
        )
        self.pods.append(pod)
        processes.forget_old_logs(self.layout, spec.name, {known.name for known in self.pods})
        self._start(spec, pod)

    def _start(self, spec: Spec, pod: Pod) -> None:
        pod.started, pod.retry_at, pod.ready, pod.misses = time.monotonic(), None, False, 0
        version = resolve(pod.image)
        if version is None:
            pod.reason, pod.retry_at = (
                f"ErrImagePull: image {pod.image} not found",
                pod.started + BACK_OFF[-1],
            )
            return
        if pod.crashes < LOOPING:
            pod.reason = "Starting"
        processes.spawn(self.layout, spec, pod, version, self._sockets.get(spec.name))

    def _end(self, pod: Pod) -> None:
        pod.ending = time.monotonic()
        if pod.process is None:
            self.pods.remove(pod)
        processes.end(pod)

    def _attend(self, spec: Spec, pod: Pod) -> bool:
        """Handle exits, kill what exceeds its grace period, restart what may, probe; return whether the set of processes changed."""
        now = time.monotonic()
        if pod.process is not None and (code := pod.process.poll()) is not None:
            return self._note_exit(pod, code, now)
        if pod.ending is not None:
            if now - pod.ending > GRACE:
                processes.end(pod, at_once=True)
            if pod.accepting and pod.port is not None:
                pod.accepting = processes.accepts(pod.port)
            return False
        if pod.process is None:
            if pod.retry_at is not None and now >= pod.retry_at:
                self._start(spec, pod)
                return True
            return False
        if not pod.probing and (not pod.ready or now - pod.probed >= PROBE_EVERY):
            pod.probing = True
            self._probes.submit(self._probe, pod)
        return False

    def _note_exit(self, pod: Pod, code: int, now: float) -> bool:
        pod.process, pod.port, pod.ready = None, None, False
        if pod.ending is not None:
            self.pods.remove(pod)
            return True
        pod.crashes = 1 if now - pod.started > STABLE else pod.crashes + 1
        pod.restarts += 1
        pod.retry_at = now + BACK_OFF[min(pod.crashes, len(BACK_OFF)) - 1]
        last = " | ".join(processes.tail(processes.log_file(self.layout, pod.name), 3))
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        pod.reason = f"{'CrashLoopBackOff' if pod.crashes >= LOOPING else 'Error'}: {pod.name} {how}: {last}"
        return True

    def _probe(self, pod: Pod) -> None:
        port = pod.port
        healthy = port is not None and processes.probe(port)
        with self.guard:
            pod.probing, pod.probed = False, time.monotonic()
            if port is None or port != pod.port:
                return
            pod.misses = 0 if healthy else pod.misses + 1
            was = pod.ready
            pod.ready = healthy or (was and pod.misses < MISSES)
            pod.reason = None if pod.ready else pod.reason
        if was != pod.ready or not healthy:
            self.woken.set()

    def _close(self) -> None:
        """End every replica: SIGTERM first, SIGKILL after a second."""
        with self.guard:
            for pod in self.pods:
                processes.end(pod)
            deadline = time.monotonic() + 1.0
            while time.monotonic() < deadline and any(
                p.process and p.process.poll() is None for p in self.pods
            ):
                time.sleep(0.02)
            for pod in self.pods:
                processes.end(pod, at_once=True)
                if pod.process is not None:
                    pod.process.wait()
            self.pods.clear()
            self.save()
        self._probes.shutdown()
        for listening in self._sockets.values():
            listening.close()
