#!/usr/bin/env python3
"""Jobs beside thread and process pools, in one run on one machine: only the ratios mean anything.

In every round each peer does the same work, one after the other; its pool is started before:

  countdown   the experiment's tasks (centerctl experiment): Center's workers, oneTBB's
              parallel_for_each (tests/bench/tbb_countdown.cc), threads and one after the other; then the
              same with tasks ten times as long; Python's Pool.map over some of them, in Python
  overhead    inputs with nothing to do: Center (centerctl bench compute) and Pool.map, one at a time
              (Pool.imap with chunks of one), and the round trip of a single one (Pool.apply)
  programs    a program for each input: Center's exec and GNU parallel

  tests/bench/compute_compare.py [--build build] [--rounds 5] [--workers 2] [--processes 2]
                                 [--part countdown|overhead|programs …] [-o table|json]
"""

import argparse
import contextlib
import json
import multiprocessing
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TASKS = 20_000
FROM = 10_000  # kExperimentCountdown
INNER_ROUNDS = 3
PYTHON_TASKS = 400  # a countdown takes Python a hundred times as long
MAP_ITEMS = 1_000_000
IMAP_ITEMS = 20_000
APPLIES = 1_000
PROGRAMS = 500
DEADLINE_S = 30


def countdown(n):
    i = n
    while i > -n:
        i -= 1
    return i


def identity(n):
    return n


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Center:
    """A coordinator of its own with a pool of workers."""

    def __init__(self, bin_folder, workers):
        self.ctl_path = bin_folder / "centerctl"
        self.folder = tempfile.mkdtemp(prefix="center-bench-")
        self.address = f"unix:{self.folder}/center.sock"
        # In our session: kernels that share processors out by session would treat it as a stranger.
        self.coordinator = subprocess.Popen(
            [bin_folder / "center-coordinator", "--data-dir", self.folder, "--listen", self.address,
             "--http", "off"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_until_it_answers()
        self.ctl("-q", "server", "start", "pool", "--no-listen", "-n", str(workers))

    def wait_until_it_answers(self):
        deadline = time.monotonic() + DEADLINE_S
        while subprocess.run([self.ctl_path, "--address", self.address, "coordinator", "status"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            if self.coordinator.poll() is not None or time.monotonic() > deadline:
                sys.exit("compute_compare: the coordinator does not start")
            time.sleep(0.02)

    def ctl(self, *words):
        return subprocess.run([self.ctl_path, "--address", self.address, *words], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.ctl("-q", "server", "stop", "pool", "--now")
        self.coordinator.terminate()
        self.coordinator.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Bench:
    def __init__(self, args, center, pool):
        self.args = args
        self.bin = pathlib.Path(args.build).resolve() / "bin"
        self.center = center
        self.pool = pool
        self.seconds = {}  # (figure, peer) -> [of each round]

    def add(self, figure, peer, seconds):
        self.seconds.setdefault((figure, peer), []).append(seconds)

    def tbb(self, scale):
        run = subprocess.run(
            [self.bin / "tbb_countdown", str(TASKS), str(FROM * scale), str(self.args.processes),
             str(INNER_ROUNDS)], check=True, stdout=subprocess.PIPE, text=True)
        return min(float(line) for line in run.stdout.split())

    def countdown(self):
        for scale in (1, 10):
            figure = f"countdown x{scale}"
            if (self.bin / "tbb_countdown").exists():
                self.add(figure, "oneTBB", self.tbb(scale))
            experiment = json.loads(self.center.ctl(
                "-q", "-o", "json", "experiment", "--server", "pool", "--tasks", str(TASKS),
                "--scale", str(scale), "--threads", str(self.args.processes),
                "--rounds", str(INNER_ROUNDS)))
            for result in experiment["results"]:
                peer = {"multi-process": "center", "multi-thread": "threads"}.get(
                    result["mode"], result["mode"])
                self.add(figure, peer, result["seconds"])
        share = TASKS // PYTHON_TASKS
        self.add("countdown x1", "Pool.map", share * timed(
            lambda: self.pool.map(countdown, [FROM] * PYTHON_TASKS)))

    def overhead(self):
        report = json.loads(self.center.ctl("-q", "-o", "json", "bench", "compute", "--server",
                                            "pool", "--jobs", "0"))
        self.add("an input of many", "center", report["range"]["nanosPerInput"] / 1e9)
        self.add("a record of 100 B", "center", 1 / report["records"]["inputsPerSecond"])
        self.add("a round trip", "center", report["roundTrip"]["p50Us"] / 1e6)
        self.add("an input of many", "Pool.map", timed(
            lambda: self.pool.map(identity, range(MAP_ITEMS))) / MAP_ITEMS)
        record = b"x" * 100
        self.add("a record of 100 B", "Pool.map", timed(
            lambda: self.pool.map(identity, [record] * (MAP_ITEMS // 5))) / (MAP_ITEMS // 5))
        self.add("an input of many", "Pool.imap", timed(
            lambda: sum(1 for _ in self.pool.imap(identity, range(IMAP_ITEMS)))) / IMAP_ITEMS)
        self.add("a round trip", "Pool.apply", statistics.median(
            timed(lambda: self.pool.apply(identity, (1,))) for _ in range(APPLIES)))

    def programs(self):
        self.add("a program", "center", timed(lambda: self.center.ctl(
            "-q", "job", "submit", "exec", "--server", "pool", "--range", f"0:{PROGRAMS}",
            "--no-results", "--", "true", "{}")) / PROGRAMS)
        if shutil.which("parallel"):
            numbers = "".join(f"{i}\n" for i in range(PROGRAMS))
            self.add("a program", "parallel", timed(lambda: subprocess.run(
                ["parallel", "--will-cite", "-j", str(self.args.processes), "true", "{}"],
                input=numbers, text=True, check=True)) / PROGRAMS)


def readable(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def print_table(seconds):
    print(f"{'figure':20} {'peer':12} {'best':>10} {'median':>10}   center/peer: best  median")
    for (figure, peer), times in seconds.items():
        ratio = ""
        ours = seconds.get((figure, "center"))
        if ours and peer != "center":
            of_rounds = statistics.median(a / b for a, b in zip(ours, times))
            ratio = f"{min(ours) / min(times):17.3f} {of_rounds:7.3f}"
        print(f"{figure:20} {peer:12} {readable(min(times)):>10} "
              f"{readable(statistics.median(times)):>10} {ratio}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--part", action="append",
                        choices=["countdown", "overhead", "programs"])
    parser.add_argument("-o", dest="output", choices=["table", "json"], default="table")
    args = parser.parse_args()
    parts = args.part or ["countdown", "overhead", "programs"]
    bin_folder = pathlib.Path(args.build).resolve() / "bin"
    if not (bin_folder / "centerctl").exists():
        sys.exit(f"compute_compare: there is no {bin_folder}/centerctl: build first, or --build")
    with multiprocessing.Pool(args.processes) as pool:
        center = Center(bin_folder, args.workers)
        try:
            bench = Bench(args, center, pool)
            for number in range(args.rounds):
                print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
                for part in parts:
                    getattr(bench, part)()
        finally:
            center.close()
    if args.output == "json":
        print(json.dumps([{"figure": figure, "peer": peer, "best": min(times),
                           "median": statistics.median(times), "seconds": times}
                          for (figure, peer), times in bench.seconds.items()]))
    else:
        print_table(bench.seconds)


if __name__ == "__main__":
    main()
