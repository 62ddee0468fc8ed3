"""Addresses and processes that are one run's own, so that runs at the same time do not meet, and
nothing is left of one that was killed."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

LOCK_PORT = 7999
NETS = 64 * 256  # 127.64.0 to 127.127.255


class Loopback:
    """127.A.B.0/24, until this process ends: who holds its lock has it."""

    def __init__(self):
        for attempt in range(NETS):
            number = (os.getpid() + attempt) % NETS
            self.prefix = f"127.{64 + number // 256}.{number % 256}"
            self.lock = socket.socket()
            try:
                self.lock.bind((self.address(254), LOCK_PORT))
                return
            except OSError:
                self.lock.close()
        raise RuntimeError("no free addresses on loopback")

    def address(self, last):
        return f"{self.prefix}.{last}"

    def at(self, _address):
        """What a command begins with that is to run at this address."""
        return []


def start_time(pid):
    """What tells a process from a later one with its number; None: there is none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


class Guard:
    """Starts processes, and kills those that live still when this process is gone, however it went:
    a helper reads their numbers from a pipe, whose end is ours."""

    def __init__(self):
        self.helper = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE,
                                       start_new_session=True)

    def popen(self, command, **options):
        process = subprocess.Popen(command, start_new_session=True, **options)
        self.tell({"pid": process.pid, "began": start_time(process.pid)})
        return process

    def undo(self, command):
        """Runs it at the end, after all that is told later."""
        self.tell({"undo": command})

    def tell(self, what):
        os.write(self.helper.stdin.fileno(), json.dumps(what).encode() + b"\n")

    def stop(self):
        self.helper.stdin.close()
        self.helper.wait()


def keep_guard():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = [json.loads(line) for line in sys.stdin]
    for process in told:
        pid = process.get("pid")
        if pid and process["began"] and start_time(pid) == process["began"]:
            print(f"guard: process {pid} was left, and is killed", file=sys.stderr)
            os.kill(pid, signal.SIGKILL)
    for task in reversed(told):
        if "undo" in task:
            subprocess.run(task["undo"], check=False, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    keep_guard()
