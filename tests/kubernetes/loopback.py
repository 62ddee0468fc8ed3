"""Addresses and processes that are one run's own, so that runs at the same time do not meet, and
nothing is left of one that was killed."""
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
        line = f"{process.pid} {start_time(process.pid)}\n".encode()
        os.write(self.helper.stdin.fileno(), line)
        return process

    def stop(self):
        self.helper.stdin.close()
        self.helper.wait()


def keep_guard():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    started = [line.split() for line in sys.stdin]
    for pid, began in started:
        if began != "None" and start_time(pid) == began:
            print(f"guard: process {pid} was left, and is killed", file=sys.stderr)
            os.kill(int(pid), signal.SIGKILL)


if __name__ == "__main__":
    keep_guard()
