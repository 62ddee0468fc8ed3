#!/usr/bin/env python3
"""Whether memory stays flat at full speed, for as long as you like.

Two workers are sent 100-byte lines as fast as they take them while a subscriber of the coordinator reads and counts
everything (`centerctl bench ingest --subscribers 1`). Every second the resident memory and the open descriptors of
the coordinator and of each worker are looked at. A process is flat when what it held in the second half is at most a
tenth and 4 MiB above what it held in the first half, and it has at most 8 descriptors more (medians: how far a
subscriber lags comes and goes, and with it a buffer of bounded size and the segments that are open for it), without
the first tenth, in which caches and retention fill up. The most that it ever held is shown beside it. With
`-o json` every look is in the output.

  tests/bench/soak.py [--build build] [--duration 600] [--subscribers 1] [-o table|json]

Exit code 1 when a process was not flat, or ended, or when the counts of sent, stored and received differ.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

from fleet import fleet_of

SLACK_RATIO, SLACK_MIB, SLACK_DESCRIPTORS = 1.1, 4, 8


class Process:
    """What one process held at each look."""

    def __init__(self, name, pid):
        self.name, self.pid, self.looks = name, pid, []

    def look(self, moment):
        folder = pathlib.Path(f"/proc/{self.pid}")
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        self.looks.append((moment, int(status["VmRSS"].split()[0]) / 1024, len(list((folder / "fd").iterdir()))))

    def between(self, begin, end):
        looks = [look for look in self.looks if begin <= look[0] <= end] or self.looks[-1:]
        return tuple(statistics.median(look[column] for look in looks) for column in (1, 2))

    def row(self, duration):
        before, before_fds = self.between(duration / 10, duration / 2)
        after, after_fds = self.between(duration / 2, duration)
        flat = after <= before * SLACK_RATIO + SLACK_MIB and after_fds <= before_fds + SLACK_DESCRIPTORS
        return {"process": self.name, "firstHalfMiB": round(before, 1), "secondHalfMiB": round(after, 1),
                "mostMiB": round(max(look[1] for look in self.looks), 1),
                "firstHalfDescriptors": before_fds, "secondHalfDescriptors": after_fds, "flat": flat}


def watch(bench, processes):
    start = time.monotonic()
    while bench.poll() is None:
        for process in processes:
            process.look(time.monotonic() - start)
        time.sleep(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="the build folder (default: build)")
    parser.add_argument("--duration", type=int, default=600, help="seconds (default: 600)")
    parser.add_argument("--subscribers", type=int, default=1)
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    args = parser.parse_args()
    bin_dir = pathlib.Path(args.build).resolve() / "bin"
    with fleet_of(bin_dir) as fleet:
        fleet.serve(2)
        processes = [Process("coordinator", fleet.process.pid)]
        processes += [Process(worker["name"], worker["pid"]) for worker in fleet.workers()]
        bench = subprocess.Popen(
            [bin_dir / "centerctl", "--address", fleet.address, "-o", "json", "bench", "ingest", "--server", "s",
             "--duration", f"{args.duration}s", "--subscribers", str(args.subscribers)],
            stdout=subprocess.PIPE)
        try:
            watch(bench, processes)
        except FileNotFoundError as error:
            sys.exit(f"soak: a process has ended: {error}")
        finally:
            bench.terminate()
        counts = json.loads(bench.stdout.read())
        rows = [process.row(args.duration) for process in processes]
    flat = bench.wait() == 0 and all(row["flat"] for row in rows)
    if args.output == "json":
        looks = {process.name: process.looks for process in processes}
        print(json.dumps({"seconds": args.duration, "flat": flat, "ingest": counts, "rows": rows, "looks": looks}))
    else:
        print(f"{'PROCESS':<14}{'1ST HALF MiB':>14}{'2ND HALF MiB':>14}{'MOST MiB':>10}{'DESCRIPTORS':>14}  FLAT")
        for row in rows:
            descriptors = f"{row['firstHalfDescriptors']:.0f} -> {row['secondHalfDescriptors']:.0f}"
            print(f"{row['process']:<14}{row['firstHalfMiB']:>14.1f}{row['secondHalfMiB']:>14.1f}{row['mostMiB']:>10.1f}{descriptors:>14}"
                  f"  {'yes' if row['flat'] else 'NO'}")
        print(json.dumps(counts))
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    main()
