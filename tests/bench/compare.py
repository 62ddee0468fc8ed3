#!/usr/bin/env python3
"""Center beside its peers, in one run on one machine: only the ratios mean anything.

Every round starts each peer afresh in a temporary folder, sends it the same lines with the same sender
(`centerctl bench ingest --to`), and measures from the first connect until the peer has everything:

  bare      recv, memchr, write (tests/bench/bare_ingest.cc): the least an honest ingester can do
  rsyslog   imptcp to omfile, direct queue, 256 KiB file buffer, no flush between transactions
  center    two workers, durability `written`, nobody reading
  center+N  the same, all the way to N counting subscribers of the coordinator

  tests/bench/compare.py [--build build] [--rounds 5] [--payloads 10000000] [--payload-bytes 100]
                         [--connections 4] [--workers 2] [--subscribers 1] [-o table|json]
"""

import argparse
import contextlib
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
import time

DEADLINE_S = 120
RSYSLOG_CONFIG = """\
module(load="imptcp" threads="1" processOnPoller="on")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="to_file" queue.type="direct") {{
  action(type="omfile" file="{folder}/out.log" template="raw" ioBufferSize="256k"
         asyncWriting="off" flushOnTXEnd="off")
}}
input(type="imptcp" address="127.0.0.1" port="{port}" ruleset="to_file")
global(maxMessageSize="128k")
"""
RSYSLOG_BUFFER_BYTES = 256 << 10


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"compare: gave up waiting for {what}")
        time.sleep(0.002)


def folder_bytes(folder, pattern):
    total = 0
    for path in pathlib.Path(folder).glob(pattern):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command, **keywords):
    process = subprocess.Popen(command, **keywords)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Bench:
    def __init__(self, args):
        self.args = args
        self.bin = pathlib.Path(args.build).resolve() / "bin"
        self.line_bytes = args.payload_bytes + 1
        self.wanted = args.payloads * self.line_bytes

    def send(self, port):
        subprocess.run(
            [self.bin / "centerctl", "bench", "ingest", "--to", f"127.0.0.1:{port}",
             "--connections", str(self.args.connections),
             "--payload-bytes", str(self.args.payload_bytes),
             "--count", str(self.args.payloads), "-q"],
            check=True, stdout=subprocess.DEVNULL)

    def bare(self, folder):
        with running([self.bin / "bare_ingest", folder], stdout=subprocess.PIPE,
                     stderr=subprocess.DEVNULL, text=True) as peer:
            port = int(peer.stdout.readline())
            start = time.monotonic()
            self.send(port)
            wait_until(lambda: folder_bytes(folder, "*") >= self.wanted, "the bare loop")
            return time.monotonic() - start

    def rsyslog(self, folder):
        port = free_port()
        config = pathlib.Path(folder) / "rsyslog.conf"
        config.write_text(RSYSLOG_CONFIG.format(folder=folder, port=port))
        with running(["rsyslogd", "-n", "-f", config, "-i", f"{folder}/pid"],
                     stderr=subprocess.DEVNULL):
            wait_until(lambda: answers(port), "rsyslogd")
            start = time.monotonic()
            self.send(port)
            # Its last buffer is written only when it ends; the sizes agree to within that one.
            wait_until(lambda: folder_bytes(folder, "out.log") >=
                       self.wanted - 2 * RSYSLOG_BUFFER_BYTES, "rsyslogd")
            return time.monotonic() - start

    def center(self, folder, subscribers):
        socket_path = f"unix:{folder}/c.sock"
        ctl = [self.bin / "centerctl", "--address", socket_path]
        with running([self.bin / "center-coordinator", "--data-dir", f"{folder}/data",
                      "--listen", socket_path, "--log-level", "warning"]):
            wait_until(lambda: os.path.exists(f"{folder}/c.sock"), "the coordinator")
            subprocess.run(ctl + ["server", "start", "bench", "-p", "0",
                                  "-n", str(self.args.workers), "--retain-bytes", "16GiB"],
                           check=True, stdout=subprocess.DEVNULL)
            answer = subprocess.run(
                ctl + ["-o", "json", "bench", "ingest", "--server", "bench",
                       "--connections", str(self.args.connections),
                       "--payload-bytes", str(self.args.payload_bytes),
                       "--count", str(self.args.payloads), "--subscribers", str(subscribers)],
                check=True, stdout=subprocess.PIPE)
            result = json.loads(answer.stdout)
            if not result["reconciled"]:
                sys.exit(f"compare: the counts do not reconcile: {result}")
            # Until the workers had read and journalled everything and closed the connections; with
            # subscribers, until the last of them had everything.
            return max(part["seconds"] for part in [result["sent"], *result["received"]])

    def measure(self, name):
        folder = tempfile.mkdtemp(prefix="center-bench-", dir=self.args.folder)
        try:
            if name == "bare":
                seconds = self.bare(folder)
            elif name == "rsyslog":
                seconds = self.rsyslog(folder)
            else:
                _, _, subscribers = name.partition("+")
                seconds = self.center(folder, int(subscribers or 0))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self.args.payloads / seconds / 1e6


def report(rates, args):
    best = {name: max(values) for name, values in rates.items()}
    median = {name: statistics.median(values) for name, values in rates.items()}
    rows = []
    for name in rates:
        rows.append({
            "peer": name,
            "best_mps": round(best[name], 2),
            "median_mps": round(median[name], 2),
            # Ratios within a round, so that a slow moment of the machine hits both sides.
            "to_rsyslog": round(statistics.median(
                a / b for a, b in zip(rates[name], rates["rsyslog"])), 2),
            "to_bare": round(statistics.median(
                a / b for a, b in zip(rates[name], rates["bare"])), 2),
        })
    if args.output == "json":
        print(json.dumps({"payload_bytes": args.payload_bytes, "connections": args.connections,
                          "workers": args.workers, "rounds": args.rounds, "peers": rows}))
        return
    print(f"{args.payload_bytes}-byte lines, {args.connections} connections, "
          f"{args.workers} workers, {args.payloads} payloads, {args.rounds} rounds")
    print(f"{'PEER':<12}{'BEST M/s':>10}{'MEDIAN M/s':>12}{'x RSYSLOG':>11}{'x BARE':>9}")
    for row in rows:
        print(f"{row['peer']:<12}{row['best_mps']:>10.2f}{row['median_mps']:>12.2f}"
              f"{row['to_rsyslog']:>11.2f}{row['to_bare']:>9.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="the build folder (default: build)")
    parser.add_argument("--folder", help="where the temporary folders go (default: TMPDIR)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--payloads", type=int, default=10_000_000)
    parser.add_argument("--payload-bytes", type=int, default=100)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--subscribers", type=int, nargs="*", default=[1],
                        help="also with this many counting subscribers (default: 1)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    args = parser.parse_args()
    if shutil.which("rsyslogd") is None:
        sys.exit("compare: rsyslogd is not installed (deploy/install-deps.sh --ci)")

    bench = Bench(args)
    names = ["bare", "rsyslog", "center"] + [f"center+{n}" for n in args.subscribers]
    rates = {name: [] for name in names}
    for round_number in range(args.rounds):
        for name in names:
            rates[name].append(bench.measure(name))
            print(f"round {round_number + 1}: {name} {rates[name][-1]:.2f} M/s", file=sys.stderr)
    report(rates, args)


if __name__ == "__main__":
    main()
