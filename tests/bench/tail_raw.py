#!/usr/bin/env python3
"""Whether `tail -o raw` into a file keeps up: payloads a second that it writes, beside those that a counting
subscriber takes, while the same sender sends as fast as the server takes it. One after the other in each round, the
first of the two in turn. Only the ratio of one run means anything; at least 0.5 is wanted (exit code 1 below).

    tests/bench/tail_raw.py [--build build] [--rounds 5] [--count 10000000] [--bytes 100]
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

from compare import wait_until
from fleet import fleet_of

WANTED = 0.5


def send(fleet, options, *more):
    answer = json.loads(fleet.ctl("bench", "ingest", "--server", "s", "--count", str(options.count),
                                  "--payload-bytes", str(options.bytes), *more))
    return answer


def counted(fleet, options):
    """A subscriber that looks at no payload, only counts them."""
    return send(fleet, options, "--subscribers", "1")["received"][0]["payloadsPerSecond"]


def tailed(fleet, options):
    """Bytes of every payload and a newline, in a file; from the first byte in it to the last."""
    path = pathlib.Path(fleet.folder) / "tail.out"
    with open(path, "wb") as out:
        # What is there already comes first, so that it is known when the stream is open.
        tail = subprocess.Popen(
            [fleet.bin / "centerctl", "--address", fleet.address, "tail", "s", "-o", "raw", "--from", "latest",
             "--count", str(options.count + 1)], stdout=out, stderr=subprocess.DEVNULL)
        try:
            while path.stat().st_size == 0:
                fleet.ctl("send", "s", str(options.probe))
                time.sleep(0.05)
            begun = path.stat().st_size
            probes = begun // 2
            if probes > 1:
                raise SystemExit("the machine is too slow: more than one probe was needed")
            start = time.monotonic()
            sender = subprocess.Popen(
                [fleet.bin / "centerctl", "--address", fleet.address, "-o", "json", "bench", "ingest", "--server", "s",
                 "--count", str(options.count), "--payload-bytes", str(options.bytes)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while path.stat().st_size == begun:
                start = time.monotonic()
                time.sleep(0.001)
            tail_code = tail.wait(timeout=300)
            seconds = time.monotonic() - start
            if tail_code != 0 or sender.wait(timeout=300) != 0:
                raise SystemExit("the tail or its sender failed")
        finally:
            tail.kill()
            tail.wait()
    wanted = options.count * (options.bytes + 1) + begun
    if path.stat().st_size != wanted:
        raise SystemExit(f"{path.stat().st_size} bytes came, not {wanted}")
    path.unlink()
    return options.count / seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--bytes", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    ways = {"counting": counted, "tail -o raw": tailed}
    rates = {name: [] for name in ways}
    with fleet_of(pathlib.Path(options.build).resolve() / "bin") as fleet:
        options.probe = pathlib.Path(fleet.folder) / "probe"
        options.probe.write_text("x\n")
        fleet.serve(options.workers)
        for number in range(options.rounds):
            for name in sorted(ways, reverse=number % 2 == 1):
                rates[name].append(ways[name](fleet, options) / 1e6)
            print("  ".join(f"{name} {rate[-1]:6.2f} M/s" for name, rate in rates.items()), flush=True)
    best = {name: max(rate) for name, rate in rates.items()}
    median = {name: statistics.median(rate) for name, rate in rates.items()}
    ratios = [t / c for t, c in zip(rates["tail -o raw"], rates["counting"])]
    print(f"best    {best['tail -o raw'] / best['counting']:.2f} of the counting subscriber")
    print(f"median  {median['tail -o raw'] / median['counting']:.2f}; of single rounds "
          + " ".join(f"{ratio:.2f}" for ratio in ratios))
    sys.exit(0 if median["tail -o raw"] / median["counting"] >= WANTED else 1)


if __name__ == "__main__":
    main()
