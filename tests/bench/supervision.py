#!/usr/bin/env python3
"""What supervision costs and how fast it is, beside supervisord where that is installed.

  replaced   a worker is killed with -9: until another one is READY (by the coordinator's own events), and until
             supervisord has replaced the same program (until its port answers); connects that failed meanwhile
  rolled     a rolling restart of 8 workers under a connect storm, by `centerctl drill`
  adopted    64 workers by a coordinator that was killed with -9 and started again: from its start to the last one
  idle       64 idle workers: processor time of the coordinator, in percent of a core
  fairness   4, 7 and 64 long connections over 2, 3 and 8 workers: the most minus the fewest; again after a worker
             was replaced and its connections have come back

  tests/bench/supervision.py [--build build] [--rounds 5] [-o table|json]
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime

from compare import answers, free_port, running, wait_until
from fleet import fleet_of

KILLS_PER_ROUND = 8
IDLE_SECONDS = 10
SUPERVISORD_CONFIG = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
[program:worker]
command={worker} --name s/0 --data-dir {folder}/journal --listen unix:{folder}/w.sock --port {port}
autorestart=true
startsecs=0
"""


def event_time(event):
    text = event["time"].rstrip("Z")
    whole, _, fraction = text.partition(".")
    seconds = datetime.fromisoformat(whole + "+00:00").timestamp()
    return seconds + float("0." + (fraction or "0"))


class ConnectStorm(threading.Thread):
    """Connects again and again, and counts."""

    def __init__(self, port):
        super().__init__()
        self.port, self.connects, self.failed, self.stop = port, 0, 0, threading.Event()

    def run(self):
        while not self.stop.wait(0.001):
            self.connects += 1
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except OSError:
                self.failed += 1


class Bench:
    def __init__(self, args):
        self.args = args
        self.bin = pathlib.Path(args.build).resolve() / "bin"
        self.rows = []

    def add(self, name, unit, values, target, peer=""):
        self.rows.append({"name": name, "unit": unit, "best": min(values), "median": statistics.median(values),
                          "worst": max(values), "target": target, "note": peer})

    def replaced(self):
        times = []
        storm_connects = storm_failed = 0
        for _ in range(self.args.rounds):
            with fleet_of(self.bin) as fleet:
                port = fleet.serve(8)
                storm = ConnectStorm(port)
                storm.start()
                killed = {}
                for worker in fleet.workers()[:KILLS_PER_ROUND]:
                    killed[worker["name"]] = time.time()
                    os.kill(worker["pid"], signal.SIGKILL)
                    fleet.wait_ready(8, without=worker["pid"])
                storm.stop.set()
                storm.join()
                storm_connects += storm.connects
                storm_failed += storm.failed
                for name, moment in killed.items():
                    ready = [event_time(e) for e in fleet.events("WORKER_READY") if e["subject"] == name]
                    times.append(1000 * (max(ready) - moment))
        self.add("replaced and READY", "ms", times, "50 (median)")
        self.add("  connects refused meanwhile", f"of {storm_connects}", [storm_failed], "0")

    def supervisord(self):
        if shutil.which("supervisord") is None:
            print("supervision: supervisord is not installed, and not compared with", file=sys.stderr)
            return
        times = []
        folder = tempfile.mkdtemp(prefix="center-bench-")
        port = free_port()
        config = pathlib.Path(folder) / "supervisord.conf"
        config.write_text(SUPERVISORD_CONFIG.format(folder=folder, port=port, worker=self.bin / "center-worker"))
        with running(["supervisord", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as peer:
            for _ in range(self.args.rounds):
                wait_until(lambda: answers(port), "supervisord's worker")
                time.sleep(0.2)
                children = pathlib.Path(f"/proc/{peer.pid}/task/{peer.pid}/children").read_text().split()
                start = time.monotonic()
                os.kill(int(children[0]), signal.SIGKILL)
                wait_until(lambda: not answers(port), "the end of supervisord's worker")
                wait_until(lambda: answers(port), "supervisord's worker")
                times.append(1000 * (time.monotonic() - start))
        shutil.rmtree(folder, ignore_errors=True)
        self.add("  the same program by supervisord", "ms", times, "-")

    def rolled(self):
        seconds, wrong, connects = [], 0, 0
        for seed in range(self.args.rounds):
            answer = subprocess.run([self.bin / "centerctl", "-o", "json", "drill", "--rows", "rolling-restart",
                                     "--workers", "8", "--connections", "16", "--seed", str(seed)],
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            row = json.loads(answer.stdout)["rows"][0]
            seconds.append(1000 * row["serviceSeconds"])
            connects += int(row["connects"])
            wrong += int(row["refused"]) + int(row["reset"]) + int(row["lost"])
        self.add("8 workers rolled under load", "ms", seconds, "-")
        self.add("  refused, reset or lost", f"of {connects}", [wrong], "0")

    def adopted(self):
        times = []
        for _ in range(self.args.rounds):
            with fleet_of(self.bin) as fleet:
                fleet.serve(64)
                before = {w["pid"] for w in fleet.workers()}
                fleet.process.kill()
                fleet.process.wait()
                moment = time.time()
                fleet.start()
                fleet.wait_up()
                fleet.wait_ready(64)
                if {w["pid"] for w in fleet.workers()} != before:
                    sys.exit("supervision: workers were replaced, not adopted")
                times.append(1000 * (max(map(event_time, fleet.events("WORKER_ADOPTED"))) - moment))
        self.add("64 workers adopted", "ms", times, "1000")

    def idle(self):
        def cpu_seconds(pid):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        with fleet_of(self.bin) as fleet:
            fleet.serve(64)
            time.sleep(2)
            percent = []
            for _ in range(self.args.rounds):
                start, used = time.monotonic(), cpu_seconds(fleet.process.pid)
                time.sleep(IDLE_SECONDS)
                percent.append(100 * (cpu_seconds(fleet.process.pid) - used) / (time.monotonic() - start))
        self.add("coordinator of 64 idle workers", "% of a core", percent, "1")

    def fairness(self):
        for workers in (2, 3, 8):
            for connections in (4, 7, 64):
                spreads = [self.spreads(workers, connections) for _ in range(self.args.rounds)]
                self.add(f"{connections} connections over {workers} workers", "apart", [s[0] for s in spreads], "1")
                self.add("  after one was replaced", "apart", [s[1] for s in spreads], "1")

    def spreads(self, workers, connections):
        with fleet_of(self.bin) as fleet:
            port = fleet.serve(workers)
            sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
            first = self.spread(fleet, connections)
            victim = fleet.workers()[0]["pid"]
            os.kill(victim, signal.SIGKILL)
            fleet.wait_ready(workers, without=victim)
            back = []
            for peer in sockets:
                peer.setblocking(False)
                try:
                    ended = peer.recv(1) == b""
                except BlockingIOError:
                    ended = False
                except OSError:
                    ended = True
                back.append(socket.create_connection(("127.0.0.1", port)) if ended else peer)
            return first, self.spread(fleet, connections)

    @staticmethod
    def spread(fleet, connections):
        def counts():
            return [int(w["stats"]["connections"]) for w in fleet.workers()]
        wait_until(lambda: sum(counts()) == connections, f"{connections} connections")
        return max(counts()) - min(counts())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="the build folder (default: build)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=["replaced", "supervisord", "rolled", "adopted", "idle",
                                                      "fairness"])
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    args = parser.parse_args()
    bench = Bench(args)
    for name in args.only:
        print(f"supervision: {name} ...", file=sys.stderr)
        getattr(bench, name)()
    if args.output == "json":
        print(json.dumps({"rounds": args.rounds, "rows": bench.rows}))
        return
    print(f"{'WHAT':<36}{'BEST':>10}{'MEDIAN':>10}{'WORST':>10}  {'TARGET':<12}UNIT")
    for row in bench.rows:
        print(f"{row['name']:<36}{row['best']:>10.1f}{row['median']:>10.1f}{row['worst']:>10.1f}  "
              f"{row['target']:<12}{row['unit']}")


if __name__ == "__main__":
    main()
