"""A real control plane on loopback: etcd, kube-apiserver and the controllers that StatefulSets need."""
import os
import pathlib
import signal
import subprocess
import time

from api import Api, ApiError
from loopback import Guard

ADMIN_TOKEN = "admin-of-the-tests"
CONTROLLERS = ",".join([
    "statefulset-controller", "serviceaccount-controller", "disruption-controller",
    "endpointslice-controller", "namespace-controller", "garbage-collector-controller",
    "root-ca-certificate-publisher-controller"])
START_SECONDS = 120


class Part:
    """A process with its log in a file."""

    def __init__(self, guard, folder, name, command):
        self.guard, self.name = guard, name
        self.command = [str(word) for word in command]
        self.log = folder / f"{name}.log"
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = self.guard.popen(self.command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)

    def stop(self, how=signal.SIGTERM):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def check(self):
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{tail}")


class ControlPlane:
    def __init__(self, folder, program, net):
        """`net`: a Loopback."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.program = program
        self.host, self.port = net.address(2), 6443
        self.etcd_url = f"http://{net.address(3)}:2379"
        self.peer_url = f"http://{net.address(3)}:2380"
        self.guard = Guard()
        self.ca_file = self.folder / "pki" / "apiserver.crt"
        self._write_files()
        self.etcd = Part(self.guard, self.folder, "etcd", self._etcd_command())
        self.apiserver = Part(self.guard, self.folder, "kube-apiserver", self._apiserver_command())
        self.controllers = Part(self.guard, self.folder, "kube-controller-manager", [
            program, "kube-controller-manager", f"--kubeconfig={self.kubeconfig}",
            f"--controllers={CONTROLLERS}", "--leader-elect=false", "--secure-port=0",
            f"--service-account-private-key-file={self.folder}/sa.key",
            f"--root-ca-file={self.ca_file}", "--use-service-account-credentials=false",
            "--concurrent-statefulset-syncs=5"])

    def _write_files(self):
        subprocess.run(["openssl", "genrsa", "-out", self.folder / "sa.key", "2048"], check=True,
                       capture_output=True)
        (self.folder / "tokens.csv").write_text(f'{ADMIN_TOKEN},admin,admin,"system:masters"\n')
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self.write_kubeconfig(self.kubeconfig, f"token: {ADMIN_TOKEN}")

    def write_kubeconfig(self, path, user, name_space="default"):
        """`user`: the YAML of its credentials."""
        path.write_text(f"""apiVersion: v1
kind: Config
current-context: tests
contexts: [{{name: tests, context: {{cluster: tests, user: me, namespace: {name_space}}}}}]
clusters:
- name: tests
  cluster:
    server: https://{self.host}:{self.port}
    certificate-authority: {self.ca_file}
users: [{{name: me, user: {{{user}}}}}]
""")

    def _etcd_command(self):
        return ["etcd", f"--data-dir={self.folder}/etcd", "--name=etcd",
                f"--listen-client-urls={self.etcd_url}",
                f"--advertise-client-urls={self.etcd_url}",
                f"--listen-peer-urls={self.peer_url}",
                f"--initial-advertise-peer-urls={self.peer_url}",
                f"--initial-cluster=etcd={self.peer_url}", "--log-level=warn"]

    def _apiserver_command(self):
        return [self.program, "kube-apiserver", f"--bind-address={self.host}",
                f"--secure-port={self.port}", f"--etcd-servers={self.etcd_url}",
                f"--cert-dir={self.folder}/pki", f"--token-auth-file={self.folder}/tokens.csv",
                "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self.folder}/sa.key",
                f"--service-account-signing-key-file={self.folder}/sa.key",
                "--endpoint-reconciler-type=none", "--profiling=false"]

    def start(self):
        self.etcd.start()
        self.apiserver.start()
        self.await_ready()
        self.controllers.start()
        return self

    def await_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.etcd.check()
            self.apiserver.check()
            try:
                if self.ca_file.exists() and self.api().get("/readyz") == "ok":
                    return
            except (OSError, ApiError):
                pass
            if time.monotonic() > deadline:
                raise RuntimeError("the control plane is not ready in time")
            time.sleep(0.1)

    def api(self, token=ADMIN_TOKEN):
        return Api(self.host, self.port, str(self.ca_file), token)

    def kubectl(self, *words, **options):
        return subprocess.run(
            [str(self.program), "kubectl", f"--kubeconfig={self.kubeconfig}", *words],
            text=True, capture_output=True, timeout=60,
            env={**os.environ, "KUBECACHEDIR": f"{self.folder}/kubectl"}, **options)

    def stop(self):
        for part in (self.controllers, self.apiserver, self.etcd):
            part.stop()
        self.guard.stop()


# What build_control_plane.sh has made.
MADE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "center-test"
CERT_MANAGER = MADE / "cert-manager"  # its custom resource definitions


def find_program():
    """The control plane's program, if this machine has it."""
    path = os.environ.get("CENTER_CONTROL_PLANE", MADE / "controlplane")
    return path if os.access(path, os.X_OK) else None
