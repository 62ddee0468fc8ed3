"""A coordinator of its own in a temporary folder, with one server "s": what the scripts beside this one measure."""

import contextlib
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile

from compare import wait_until


class Fleet:
    """A coordinator of its own in a temporary folder."""

    def __init__(self, bin_dir, folder):
        self.bin, self.folder = bin_dir, folder
        self.address = f"unix:{folder}/c.sock"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [self.bin / "center-coordinator", "--data-dir", f"{self.folder}/data", "--listen", self.address],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ctl(self, *words):
        return subprocess.run([self.bin / "centerctl", "--address", self.address, "-o", "json", "--timeout", "60s",
                               *words], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def wait_up(self):
        def up():
            with contextlib.suppress(subprocess.CalledProcessError):
                return bool(self.ctl("coordinator", "status"))
            return False
        wait_until(up, "the coordinator")

    def workers(self):
        return json.loads(self.ctl("worker", "list", "s"))["workers"]

    def serve(self, workers):
        server = json.loads(self.ctl("server", "start", "s", "-p", "0", "-n", str(workers)))
        self.wait_ready(workers)
        return server["spec"]["port"]

    def wait_ready(self, count, without=0):
        def ready():
            workers = self.workers()
            return (len(workers) == count and all(w["state"] == "WORKER_STATE_READY" for w in workers)
                    and all(w["pid"] != without for w in workers))
        wait_until(ready, f"{count} workers")

    def events(self, kind):
        lines = self.ctl("events").decode().splitlines()
        return [e for e in map(json.loads, lines) if e["type"] == "EVENT_TYPE_" + kind]

    def end(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.ctl("server", "stop", "s", "--now")
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


@contextlib.contextmanager
def fleet_of(bin_dir):
    folder = tempfile.mkdtemp(prefix="center-bench-")
    fleet = Fleet(bin_dir, folder)
    fleet.start()
    try:
        fleet.wait_up()
        yield fleet
    finally:
        fleet.end()
        shutil.rmtree(folder, ignore_errors=True)
