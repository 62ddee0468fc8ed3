"""A network of one run's own, for pods that are to be cut off from each other: a bridge, and for each
address that is used a network namespace, which a pair of veth devices joins to it.

What is cut is lost without a word, in both directions: each of the two sends to a hardware address
that nobody has. Needs `ip` (iproute2) and the capabilities NET_ADMIN and SYS_ADMIN, as root has them
on a machine of its own.
"""
import os
import subprocess
import threading

from loopback import Guard

NETS = 2 * 256  # 198.18.0 to 198.19.255: for tests of networks (RFC 2544), so nobody's
# The machine's own: the API server, etcd, and who asks.
HOST_LASTS = (2, 3, 254)
NOBODY = "02:00:00:00:00:00"


class NoNetwork(Exception):
    """This machine gives no networks; says why."""


def ip(*words):
    """Runs `ip`; raises NoNetwork."""
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30)
    except OSError as error:
        raise NoNetwork(f"`ip` cannot be run: {error}") from error
    if done.returncode != 0:
        raise NoNetwork(f"`ip {' '.join(words)}`: {done.stderr.strip()}")


class Bridge:
    """As a Loopback; `stop` takes it down, and so does the end of this process, however it ends."""

    def __init__(self):
        self.guard = Guard()
        self.lock = threading.Lock()
        self.spaces = set()  # the last numbers of addresses that have one
        for attempt in range(NETS):
            self.number = (os.getpid() + attempt) % NETS
            self.prefix = f"198.{18 + self.number // 256}.{self.number % 256}"
            self.name = f"center{self.number}"
            try:
                ip("link", "add", self.name, "type", "bridge")
                break
            except NoNetwork as error:  # another run's, perhaps
                if "File exists" not in str(error) or attempt + 1 == NETS:
                    self.guard.stop()
                    raise
        self.guard.undo(["ip", "link", "del", self.name])
        for last in HOST_LASTS:
            ip("addr", "add", f"{self.address(last)}/24", "dev", self.name)
        ip("link", "set", self.name, "up")

    def address(self, last):
        return f"{self.prefix}.{last}"

    def space(self, address):
        return f"{self.name}-{address.rpartition('.')[2]}"

    def at(self, address):
        """What a command begins with that is to run at this address."""
        last = int(address.rpartition(".")[2])
        with self.lock:
            if last not in self.spaces:
                self._make_space(address, last)
                self.spaces.add(last)
        return ["ip", "netns", "exec", self.space(address)]

    def _make_space(self, address, last):
        space, outside = self.space(address), f"c{self.number}v{last}"
        self.guard.undo(["ip", "netns", "del", space])
        ip("netns", "add", space)
        self.guard.undo(["ip", "link", "del", outside])
        ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space)
        ip("link", "set", outside, "master", self.name, "up")
        ip("-n", space, "link", "set", "lo", "up")
        ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", space, "link", "set", "eth0", "up")

    def cut(self, one, other):
        """Nothing reaches one from the other any more. Both are addresses that have run something."""
        for here, there in ((one, other), (other, one)):
            ip("-n", self.space(here), "neigh", "replace", there, "lladdr", NOBODY, "dev", "eth0",
               "nud", "permanent")

    def heal(self, one, other):
        for here, there in ((one, other), (other, one)):
            ip("-n", self.space(here), "neigh", "del", there, "dev", "eth0")

    def stop(self):
        self.guard.stop()
