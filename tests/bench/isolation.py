#!/usr/bin/env python3
"""Whether ingestion keeps its latency while tasks burn the cores of the same workers.

In every round: from a producer's send to a subscriber's receipt at 10 000 payloads a second (`centerctl bench latency`),
first on idle workers, then while a job of countdowns keeps the compute thread of every worker busy.

  tests/bench/isolation.py [--build build] [--rounds 5] [--workers 2] [--rate 10000] [-o table|json]
"""

import argparse
import json
import pathlib
import statistics
import subprocess

from fleet import fleet_of

FIGURES = {"p50Us": "p50", "p99Us": "p99"}


def latency(fleet, rate):
    return json.loads(fleet.ctl("bench", "latency", "--server", "s", "--rate", str(rate), "--duration", "3s"))


def busy_job(fleet):
    """Starts a job that outlives the measurement, and returns its name."""
    return subprocess.run(
        [fleet.bin / "centerctl", "--address", fleet.address, "-q", "-o", "name", "job", "submit", "countdown", "--server",
         "s", "--range", "1000000:3000000", "--detach"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="the build folder (default: build)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=int, default=10_000, help="payloads a second (default: 10000)")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    args = parser.parse_args()
    bin_dir = pathlib.Path(args.build).resolve() / "bin"
    rounds = {"idle": [], "busy": []}
    with fleet_of(bin_dir) as fleet:
        fleet.serve(args.workers)
        for _ in range(args.rounds):
            rounds["idle"].append(latency(fleet, args.rate))
            job = busy_job(fleet)
            rounds["busy"].append(latency(fleet, args.rate))
            fleet.ctl("job", "cancel", job)
    if args.output == "json":
        print(json.dumps(rounds))
        return
    print(f"{'WORKERS':<10}{'FIGURE':<8}{'BEST us':>10}{'MEDIAN us':>12}{'WORST us':>11}")
    for state, reports in rounds.items():
        for key, name in FIGURES.items():
            values = [report[key] for report in reports]
            print(f"{state:<10}{name:<8}{min(values):>10.0f}{statistics.median(values):>12.0f}{max(values):>11.0f}")


if __name__ == "__main__":
    main()
