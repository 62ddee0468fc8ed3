"""What stands for nodes in the tests: runs the pods of a namespace as processes of this machine.

It binds pods to a node, gives each an address of its own (on loopback, or in a network that can be
cut: bridge.py), runs the command of its first container with the pod's environment (downward API),
volumes (claims, secrets and emptyDirs are folders; claims come back with a pod of the same name) and
probes, and writes true status back. A pod that is deleted gets SIGTERM and, after its grace, SIGKILL;
so does one that was taken off the books, some time later than its successor may start. A container
that ends is started again.

As there is no network of pods, and no root file system of theirs, the words of a command are
translated: the paths of volumes, 0.0.0.0 and the name of the coordinator's service.
"""
import pathlib
import random
import shutil
import tempfile
import threading
import time

from api import ApiError
from loopback import Guard
from pod_run import FORCED_GRACE_SECONDS, POLL_SECONDS, PodRun

COORDINATOR_LAST = 1
PODS_FIRST, PODS_LAST = 10, 249


class NodeAgent(threading.Thread):
    def __init__(self, api, name_space, folder, programs, coordinator_kubeconfig, net):
        """`folder`: for logs. `net`: a Loopback or a Bridge."""
        super().__init__(daemon=True)
        self.api, self.name_space, self.net = api, name_space, net
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Short: the paths of sockets are bounded.
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="center-node-"))
        self.programs, self.coordinator_kubeconfig = programs, coordinator_kubeconfig
        self.pods = f"/api/v1/namespaces/{name_space}/pods"
        self.node = "node-1"
        self.coordinator_ip = net.address(COORDINATOR_LAST)
        self.guard = Guard()
        self.runs, self.stopping, self.last_ip = {}, False, PODS_FIRST - 1
        self.serving = []  # addresses of the pods that a Service of workers sends to
        self.tick = threading.Event()
        self.notes = []
        self.held = set()  # pods that are not to be started

    def note(self, text):
        if self.notes[-1:] != [text]:
            self.notes.append(text)
            with open(self.folder / "agent.log", "a", encoding="utf8") as log:
                print(f"{time.strftime('%H:%M:%S')} {text}", file=log)

    def take_ip(self, pod):
        """One that nobody has; a while passes before one is used again."""
        if pod["metadata"]["labels"].get("app.kubernetes.io/component") == "coordinator":
            return self.coordinator_ip
        used = {run.ip for run in self.runs.values() if not run.finished.is_set()}
        while True:
            self.last_ip = self.last_ip + 1 if self.last_ip < PODS_LAST else PODS_FIRST
            if self.net.address(self.last_ip) not in used:
                return self.net.address(self.last_ip)

    def step(self):
        pods = self.api.get(self.pods)["items"]
        for pod in pods:
            self.look_at(pod)
        listed = {pod["metadata"]["uid"] for pod in pods}
        for uid, run in self.runs.items():
            if uid not in listed and run.delete_grace is None:
                run.delete_grace = FORCED_GRACE_SECONDS
        self.serving = [
            pod["status"]["podIP"] for pod in pods
            if pod["metadata"]["labels"].get("app.kubernetes.io/component") == "worker" and
            "deletionTimestamp" not in pod["metadata"] and
            any(condition["type"] == "Ready" and condition["status"] == "True"
                for condition in pod.get("status", {}).get("conditions", []))]

    def look_at(self, pod):
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        run = self.runs.get(uid)
        deleting = pod["metadata"].get("deletionTimestamp")
        if run is None and not deleting and name not in self.held:
            if not pod["spec"].get("nodeName"):
                self.api.post(f"{self.pods}/{name}/binding", {
                    "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
                    "target": {"kind": "Node", "name": self.node}})
            self.runs[uid] = PodRun(self, pod, self.take_ip(pod))
            self.runs[uid].start()
        elif run is None and deleting:
            self.api.delete(f"{self.pods}/{name}", {"gracePeriodSeconds": 0})
        elif run is not None and deleting:
            run.delete_grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)

    def run(self):
        while not self.stopping:
            try:
                self.step()
            except (OSError, ApiError) as error:
                self.note(f"agent: {error}")
            time.sleep(POLL_SECONDS)

    def any_serving(self):
        """An address that producers are sent to; None: there is none."""
        serving = self.serving
        return random.choice(serving) if serving else None

    def run_of(self, name):
        """The pod of this name that lives."""
        for run in list(self.runs.values()):
            if run.name_ == name and not run.finished.is_set() and run.delete_grace is None:
                return run
        return None

    def stop(self):
        self.stopping = True
        self.join()  # no pod is started any more
        for run in self.runs.values():
            run.delete_grace = 0  # and none again
        for run in self.runs.values():
            run.join()
            if run.process is not None and run.process.poll() is None:
                run.process.kill()
                run.process.wait()
        self.guard.stop()
        shutil.rmtree(self.data, ignore_errors=True)
