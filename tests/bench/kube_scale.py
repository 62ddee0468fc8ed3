#!/usr/bin/env python3
"""What many workers cost a coordinator with --backend statefulset. The API server is the tests' fake one, the
workers are many_workers.py; the coordinator and centerctl are real.

  idle      processor time of the coordinator, in percent of a core, and its memory: heartbeats every second
  restart   from the start of a coordinator, whose predecessor was killed, until all workers are READY again
  list      `centerctl worker list`, the whole command: median and the slowest of 20
  events    the same as idle, while the API server tells of changed pods at that rate

  tests/bench/kube_scale.py [--programs build/bin] [--workers 1000] [--rate 1000]

Needs protoc, grpc_python_plugin and a Python that has grpcio (Debian: /usr/bin/python3).
"""
import argparse
import copy
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "kubernetes"))
from fake_plane import FakePlane, stamp  # noqa: E402
from loopback import Guard, Loopback  # noqa: E402

PER_SERVER_MAX = 250
MEASURED_SECONDS = 20
LISTS = 20


def labels_of(server):
    return {"app.kubernetes.io/part-of": "center", "app.kubernetes.io/component": "worker",
            "center.v1/server": server}


def pod(server, slot):
    # As large as a real one's status, more or less.
    return {"metadata": {"name": f"center-{server}-{slot}", "namespace": "center",
                         "uid": f"pod-{server}-{slot}", "creationTimestamp": stamp(),
                         "labels": {**labels_of(server), "apps.kubernetes.io/pod-index": str(slot)}},
            "spec": {"nodeName": "node-1", "containers": [{"name": "worker", "image": "center"}]},
            "status": {"phase": "Running", "podIP": "127.0.0.1",
                       "conditions": [{"type": kind, "status": "True", "lastTransitionTime": stamp()}
                                      for kind in ("PodScheduled", "Initialized", "ContainersReady",
                                                   "Ready")],
                       "containerStatuses": [{"name": "worker", "ready": True, "restartCount": 0,
                                              "state": {"running": {"startedAt": stamp()}}}]}}


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="center-scale-"))
        self.servers = -(-options.workers // PER_SERVER_MAX)
        self.per_server = options.workers // self.servers
        self.workers = self.servers * self.per_server
        self.net, self.guard, self.plane = Loopback(), Guard(), FakePlane(controller=False)
        self.address = f"{self.net.address(1)}:7070"
        self.processes = []

    def start(self):
        for server in range(self.servers):
            name = f"s{server}"
            for slot in range(self.per_server):
                self.plane.store.put("pods", pod(name, slot))
            self.plane.store.put("statefulsets", {
                "metadata": {"name": f"center-{name}", "namespace": "center",
                             "labels": labels_of(name)},
                "spec": {"replicas": self.per_server, "template": {"spec": {"containers": [
                    {"name": "worker", "ports": [{"name": "ingest", "containerPort": 5000}]}]}}}})
        self.plane.write_kubeconfig(self.folder / "kubeconfig", "token: first", "center")
        generated = self.folder / "generated"
        generated.mkdir()
        protos = HERE.parent.parent / "proto"
        files = [*protos.glob("center/v1/*.proto"), *protos.glob("google/rpc/*.proto")]
        subprocess.run(["protoc", f"-I{protos}", f"--python_out={generated}",
                        f"--grpc_out={generated}",
                        f"--plugin=protoc-gen-grpc={shutil.which('grpc_python_plugin')}", *files],
                       check=True)
        self.run("workers", [self.options.python, HERE / "many_workers.py", generated, self.address,
                             f"{self.net.address(2)}:7072", self.servers, self.per_server])

    def run(self, name, command):
        with open(self.folder / f"{name}.log", "ab") as log:
            process = self.guard.popen([str(word) for word in command], stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def start_coordinator(self):
        self.coordinator = self.run("coordinator", [
            self.options.programs / "center-coordinator", "--backend=statefulset",
            f"--kubeconfig={self.folder}/kubeconfig", f"--data-dir={self.folder}/data",
            f"--listen={self.address}", "--http=off"])

    def list_workers(self):
        answer = subprocess.run([self.options.programs / "centerctl", "--address", self.address,
                                 "--timeout", "60s", "worker", "list", "-o", "json"],
                                text=True, capture_output=True)
        return json.loads(answer.stdout)["workers"] if answer.returncode == 0 else []

    def await_ready(self, seconds=300):
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            if sum(worker["state"] == "WORKER_STATE_READY"
                   for worker in self.list_workers()) == self.workers:
                return time.monotonic() - begin
            if self.coordinator.poll() is not None:
                break
            time.sleep(0.2)
        raise SystemExit(f"not all workers are ready; the logs are in {self.folder}")

    def usage(self, seconds=MEASURED_SECONDS):
        """Percent of a core, and MiB."""
        pid = self.coordinator.pid

        def ticks():
            words = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return int(words[11]) + int(words[12])

        before, begin = ticks(), time.monotonic()
        time.sleep(seconds)
        cpu = (ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - begin)
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        resident = int(status.partition("VmRSS:")[2].split()[0])
        return round(100 * cpu, 1), round(resident / 1024, 1)

    def time_lists(self):
        times = []
        for _ in range(LISTS):
            begin = time.monotonic()
            subprocess.run([self.options.programs / "centerctl", "--address", self.address,
                            "worker", "list"], stdout=subprocess.DEVNULL, check=True)
            times.append(1000 * (time.monotonic() - begin))
        return round(statistics.median(times)), round(max(times))

    def tell_changes(self, stop, told):
        """A pod's readiness flips; nothing that Center would have to act on."""
        store, begin, names = self.plane.store, time.monotonic(), sorted(
            key for key in self.plane.store.objects if key[0] == "pods")
        while not stop.is_set():
            with store.changed:
                while told[0] < (time.monotonic() - begin) * self.options.rate:
                    key = names[told[0] % len(names)]
                    value = copy.deepcopy(store.objects[key])
                    ready = value["status"]["conditions"][3]
                    ready["status"] = "False" if ready["status"] == "True" else "True"
                    store.write("pods", value, "MODIFIED")
                    told[0] += 1
            stop.wait(0.01)

    def measure(self):
        figures = {"workers": self.workers}
        self.start_coordinator()
        figures["first_ready_s"] = round(self.await_ready(), 1)
        figures["idle_cpu_percent"], figures["resident_mib"] = self.usage()
        figures["list_ms"], figures["list_max_ms"] = self.time_lists()
        self.coordinator.kill()
        self.coordinator.wait()
        self.start_coordinator()
        figures["restart_ready_s"] = round(self.await_ready(), 1)
        stop, told = threading.Event(), [0]
        teller = threading.Thread(target=self.tell_changes, args=(stop, told))
        teller.start()
        time.sleep(1)
        before = told[0]
        begin = time.monotonic()
        figures["events_cpu_percent"], figures["events_resident_mib"] = self.usage()
        figures["events_per_s"] = round((told[0] - before) / (time.monotonic() - begin))
        figures["events_list_ms"], _ = self.time_lists()
        stop.set()
        teller.join()
        return figures

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.plane.stop()
        self.guard.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, default=pathlib.Path("build/bin"))
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=1000, help="changed pods a second")
    parser.add_argument("--python", default="/usr/bin/python3", help="one that has grpcio")
    bench = Bench(parser.parse_args())
    try:
        bench.start()
        print(json.dumps(bench.measure(), indent=1))
    finally:
        bench.stop()
    shutil.rmtree(bench.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
