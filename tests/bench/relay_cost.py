#!/usr/bin/env python3
"""What it costs to read through the coordinator, beside reading from the workers themselves: processor seconds
(user and system) of the coordinator, of the workers and of the readers for each GiB of payloads that a reader gets,
with 1, 2 and 4 readers at once. Workers are pods (of the tests' fake API server), so that all goes over TCP, as it
does between machines; --tls: mutual TLS on all of it. What is read is stored before, and in memory.

    tests/bench/relay_cost.py [--programs build/bin] [--workers 2] [--mib 512] [--rounds 3] [--tls]

Times of one run may be compared. What one core of a coordinator relays at most is 1 / (its seconds for each GiB): with
more than that to read, direct reading must take over.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "kubernetes"))
from fake_plane import FakePlane  # noqa: E402
from loopback import Loopback  # noqa: E402
from node_agent import NodeAgent  # noqa: E402
from scenario import wait_for  # noqa: E402

READERS = (1, 2, 4)
ROUTES = {"relayed": [], "direct": ["--direct"]}
GIB = 2**30
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def worker_set(replicas, flags):
    labels = {"app.kubernetes.io/part-of": "center", "app.kubernetes.io/component": "worker",
              "center.v1/server": "default"}

    def field(name, path):
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    container = {
        "name": "worker", "image": "center",
        "command": ["/usr/local/bin/center-worker", "--name=default/$(CENTER_SLOT)",
                    "--data-dir=/data/journal", "--host=0.0.0.0", "--port=5000",
                    "--listen=0.0.0.0:7072", "--coordinator=center-coordinator:7070",
                    "--http=0.0.0.0:7073", "--retain-bytes=8GiB", *flags],
        "env": [field("CENTER_SLOT", "metadata.labels['apps.kubernetes.io/pod-index']"),
                field("CENTER_POD_UID", "metadata.uid")],
        "ports": [{"name": "ingest", "containerPort": 5000}, {"name": "http", "containerPort": 7073}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return {"metadata": {"name": "center-default", "namespace": "center", "labels": labels},
            "spec": {"replicas": replicas,
                     "template": {"metadata": {"labels": labels},
                                  "spec": {"containers": [container]}},
                     "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="center-relay-"))
        self.net, self.plane = Loopback(), FakePlane()
        kubeconfig = self.folder / "kubeconfig"
        (self.folder / "token").write_text(self.plane.token)
        self.plane.write_kubeconfig(kubeconfig, f"tokenFile: {self.folder}/token", "center")
        self.agent = NodeAgent(self.plane.api(), "center", self.folder / "node", options.programs,
                               kubeconfig, self.net)
        self.kubeconfig = kubeconfig
        self.ctl = [f"{options.programs}/centerctl", "--address",
                    f"{self.agent.coordinator_ip}:7070"]
        self.coordinator = None

    def certificates(self):
        """The flags of each kind of process; none without --tls."""
        if not self.options.tls:
            return {"coordinator": [], "worker": [], "reader": []}
        pods = ",".join(f"IP:{self.net.address(last)}" for last in range(10, 60))
        subprocess.run([HERE.parents[1] / "deploy/kustomize/certificates.sh", self.folder / "pki", "center"],
                       check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "CENTER_ALSO": f"IP:{self.net.address(1)}", "CENTER_WORKER_ALSO": pods})
        return {who: [f"--tls-cert={self.folder}/pki/{who}.pem", f"--tls-key={self.folder}/pki/{who}.key",
                      f"--tls-ca={self.folder}/pki/ca.pem"] for who in ("coordinator", "worker", "reader")}

    def start(self):
        flags = self.certificates()
        self.ctl += flags["reader"]
        self.agent.start()
        with open(self.folder / "coordinator.log", "wb") as log:
            self.coordinator = self.agent.guard.popen(
                [f"{self.options.programs}/center-coordinator", "--backend=statefulset", "--http=off",
                 f"--kubeconfig={self.kubeconfig}", f"--data-dir={self.folder}/data",
                 f"--listen={self.agent.coordinator_ip}:7070", *flags["coordinator"]], stdout=log, stderr=log)
        self.plane.store.put("statefulsets", worker_set(self.options.workers, flags["worker"]))
        wait_for("the workers",
                 lambda: len(self.ready()) == self.options.workers == len(self.agent.serving))

    def ready(self):
        listed = subprocess.run([*self.ctl, "worker", "list", "-o", "json"], capture_output=True, text=True,
                                check=False)
        workers = json.loads(listed.stdout or "{}").get("workers", [])
        return [worker for worker in workers if worker.get("state") == "WORKER_STATE_READY"]

    def fill(self):
        lines = self.folder / "lines"
        line = b"x" * (self.options.bytes - 1)
        with open(lines, "wb") as out:
            block = (line + b"\n") * (2**20 // self.options.bytes)
            for _ in range(self.options.mib):
                out.write(block)
        before = sum(map(cpu_of, self.pids()))
        for ip in self.agent.serving:
            subprocess.run([f"{self.options.programs}/centerctl", "send", f"{ip}:5000", lines], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.stored = lines.stat().st_size // self.options.bytes * (self.options.bytes - 1) * self.options.workers
        self.receiving = (sum(map(cpu_of, self.pids())) - before) / (self.stored / GIB)
        lines.unlink()

    def pids(self):
        return [run.process.pid for run in self.agent.runs.values() if not run.finished.is_set()]

    def read(self, readers, how):
        """One round: seconds of each party for each GiB, and GiB a second."""
        before = cpu_of(self.coordinator.pid), sum(map(cpu_of, self.pids()))
        start = time.monotonic()
        command = [*self.ctl, "tail", "--no-follow", "--from", "earliest", "-o", "raw", *how]
        running = [self.agent.guard.popen(command, stdout=subprocess.DEVNULL) for _ in range(readers)]
        used = 0.0
        for reader in running:
            _, status, usage = os.wait4(reader.pid, 0)
            reader.returncode = os.waitstatus_to_exitcode(status)
            if reader.returncode != 0:
                raise SystemExit(f"{command} ended with {reader.returncode}")
            used += usage.ru_utime + usage.ru_stime
        seconds = time.monotonic() - start
        gib = readers * self.stored / GIB
        return ((cpu_of(self.coordinator.pid) - before[0]) / gib, (sum(map(cpu_of, self.pids())) - before[1]) / gib,
                used / gib, gib / seconds)

    def stop(self):
        if self.coordinator is not None:
            self.coordinator.kill()
            self.coordinator.wait()
        self.agent.stop()
        self.plane.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def measure(bench, options):
    results = {}
    for number in range(options.rounds):
        for readers in READERS:
            for route in sorted(ROUTES, reverse=number % 2 == 0):
                results.setdefault((readers, route), []).append(bench.read(readers, ROUTES[route]))
    middle = {key: [statistics.median(column) for column in zip(*rounds)] for key, rounds in results.items()}
    print(f"{options.workers} workers, {options.bytes} bytes a payload, {bench.stored / 2**20:.0f} MiB for each reader"
          f"{', mutual TLS' if options.tls else ''}; medians of {options.rounds}; processor seconds a GiB")
    print(f"receiving and storing them, one connection for each worker: {bench.receiving:.3f} of the workers")
    print(f"{'READERS':>7}  {'ROUTE':8}  {'COORDINATOR':>11}  {'WORKERS':>7}  {'BOTH':>6}  {'READERS':>7}  {'GiB/s':>6}")
    for (readers, route), (coordinator, workers, used, rate) in sorted(middle.items(), key=lambda item: item[0][0]):
        print(f"{readers:>7}  {route:8}  {coordinator:>11.3f}  {workers:>7.3f}  {coordinator + workers:>6.3f}"
              f"  {used:>7.3f}  {rate:>6.2f}")
    for readers in READERS:
        relayed, direct = middle[readers, "relayed"], middle[readers, "direct"]
        times = (relayed[0] + relayed[1]) / (direct[0] + direct[1])
        print(f"{readers} at once: relayed costs the fleet {times:.2f} times what direct costs, at {relayed[3] / direct[3]:.2f} of its "
              f"speed; a core of the coordinator relays {1 / relayed[0]:.1f} GiB/s at most")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", default="build/bin", type=lambda path: pathlib.Path(path).absolute())
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--mib", type=int, default=512, help="stored at each worker")
    parser.add_argument("--bytes", type=int, default=101, help="of a payload, with its line feed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    bench = Bench(options)
    try:
        bench.start()
        bench.fill()
        measure(bench, options)
    finally:
        bench.stop()


if __name__ == "__main__":
    main()
