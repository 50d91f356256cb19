"""A control plane of the tests' own from real programs: etcd, kube-apiserver and kube-controller-manager, on loopback alone.

`CARTCTL_TEST_CONTROL_PLANE` names the folder they lie in; what is not there is looked for on PATH. There is no node: the pods
are played by `kubelet.py`.
"""

import json
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.services import require

TOKEN = "cartctl-test-admin"
NO_NODES = "*,-nodelifecycle"  # nothing renews the lease of a node that is played
Process = subprocess.Popen[bytes]


@dataclass
class Plane:
    """The programs of `binaries`, their files below `home`. Everything is stopped by `stop`."""

    binaries: Path
    home: Path
    _ports: list[int] = field(default_factory=list)
    _running: dict[str, Process] = field(default_factory=dict)

    def start(self) -> None:
        """Start all of it and wait until the API server is ready."""
        self._ports = free_ports(3)
        key = [str(require("openssl")), "genrsa", "-out", str(self.home / "accounts.key"), "2048"]
        subprocess.run(key, check=True, capture_output=True)
        (self.home / "tokens").write_text(f'{TOKEN},admin,admin,"system:masters"\n', encoding="utf-8")
        self._run("etcd", *self._etcd())
        self.start_api_server()
        self._run("kube-controller-manager", *self._controllers())

    def stop(self) -> None:
        """End every program, those that hang on others first."""
        for program in reversed(list(self._running)):
            self._end(program)

    def start_api_server(self) -> None:
        """Start it, on the same port as before, and wait until it is ready."""
        self._run("kube-apiserver", *self._api_server())
        deadline = time.monotonic() + 120
        while not self._ready():
            assert self._running["kube-apiserver"].poll() is None, self._log("kube-apiserver")
            assert time.monotonic() < deadline, self._log("kube-apiserver")
            time.sleep(0.1)
        self._write_kubeconfig()

    def stop_api_server(self) -> None:
        """Kill it, as a machine that loses its power does."""
        self._end("kube-apiserver", kill=True)

    def compact(self) -> None:
        """Let etcd forget every version but the newest."""
        url = f"http://127.0.0.1:{self._ports[0]}/v3/kv"
        answer = httpx.post(f"{url}/range", json={"key": "AA=="}).raise_for_status().json()
        revision = answer["header"]["revision"]
        httpx.post(f"{url}/compaction", json={"revision": revision, "physical": True}).raise_for_status()

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of an administrator, with the context `test`."""
        return self.home / "kubeconfig"

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self._ports[2]}"

    def _etcd(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in self._ports[:2])
        return [
            f"--data-dir={self.home / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        ]

    def _api_server(self) -> list[str]:
        key = self.home / "accounts.key"
        return [
            f"--etcd-servers=http://127.0.0.1:{self._ports[0]}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={self._ports[2]}",
            f"--cert-dir={self.home / 'certificates'}",
            f"--token-auth-file={self.home / 'tokens'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
        ]

    def _controllers(self) -> list[str]:
        result = subprocess.run(
            [self._program("kube-controller-manager"), "--help"], capture_output=True, check=True
        )
        return [
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self.home / 'accounts.key'}",
            f"--root-ca-file={self.home / 'certificates' / 'apiserver.crt'}",
            f"--controllers={NO_NODES}",
            "--leader-elect=false",
            "--horizontal-pod-autoscaler-sync-period=1s",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--secure-port=0",
            *(["--port=0"] if b" --port int" in result.stdout else []),  # without TLS, until 1.23
        ]

    def _ready(self) -> bool:
        try:
            trusted = ssl.create_default_context(cafile=self.home / "certificates" / "apiserver.crt")
            result = httpx.get(
                f"{self.url}/readyz", verify=trusted, headers={"Authorization": f"Bearer {TOKEN}"}
            )
        except (httpx.HTTPError, OSError):
            return False
        return result.text == "ok"

    def _write_kubeconfig(self) -> None:
        cluster = {
            "server": self.url,
            "certificate-authority": str(self.home / "certificates" / "apiserver.crt"),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
        }
        self.kubeconfig.write_text(json.dumps(document), encoding="utf-8")

    def _program(self, name: str) -> Path:
        return require(name, str(self.binaries))

    def _run(self, name: str, *options: str) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen([self._program(name), *options], stdout=log, stderr=log)

    def _end(self, name: str, *, kill: bool = False) -> None:
        process = self._running.pop(name)
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-2000:]


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
