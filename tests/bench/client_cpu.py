#!/usr/bin/env python3
"""What sending costs: CPU seconds (user + system) per GiB of center-client at full speed and of plain
blocking senders (bare_send), to the same sink (bare_ingest into /dev/shm), one after the other in each
round. Only the ratios of one run mean anything.

    tests/bench/client_cpu.py [--bin build/bin] [--rounds 5] [--count 20000000] [--bytes 100 1000]
"""
import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time


def cpu_seconds(command):
    """User and system time of a command that must succeed, and its wall time."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - begin


class Sink:
    """bare_ingest, whose files are emptied between runs."""

    def __init__(self, programs):
        self.folder = tempfile.mkdtemp(dir="/dev/shm")
        self.process = subprocess.Popen([f"{programs}/bare_ingest", self.folder],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline())

    def empty(self):
        for name in os.listdir(self.folder):
            os.truncate(f"{self.folder}/{name}", 0)

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default="build/bin")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=5_000_000, help="payloads of 100 bytes; fewer of larger ones")
    parser.add_argument("--bytes", type=int, nargs="+", default=[100, 1000])
    options = parser.parse_args()
    print(f"{'BYTES':>6}  {'SENDER':12}  {'CPU s/GiB':>9}  {'BEST':>6}  {'x format':>8}  {'x copy':>7}")
    for size in options.bytes:
        count = max(options.count * 100 // size, 1000)
        gib = count * (size + 1) / 2**30
        results = {}
        sink = Sink(options.bin)
        try:
            senders = {
                "copy": [f"{options.bin}/bare_send", str(sink.port), str(size), str(count), "copy"],
                "format": [f"{options.bin}/bare_send", str(sink.port), str(size), str(count), "format"],
                "center-client": [f"{options.bin}/center-client", "--to", f"127.0.0.1:{sink.port}",
                                  "--rate", "max", "--mix", "string=1", "--payload-bytes", str(size),
                                  "--count", str(count)],
            }
            for _ in range(options.rounds):
                for name, command in senders.items():
                    cpu, _ = cpu_seconds(command)
                    results.setdefault(name, []).append(cpu / gib)
                    sink.empty()
        finally:
            sink.end()
        median = {name: statistics.median(values) for name, values in results.items()}
        for name, values in results.items():
            print(f"{size:>6}  {name:12}  {median[name]:>9.3f}  {min(values):>6.3f}  "
                  f"{median[name] / median['format']:>8.2f}  {median[name] / median['copy']:>7.2f}")


if __name__ == "__main__":
    main()
