"""Pods with networks of their own, that are cut off from each other: nothing is refused and nothing
answers, as when a switch fails. On a real control plane; needs root (see bridge.py).

  partition_test.py --programs build/bin --source . --folder /tmp/x
"""
import contextlib
import re
import urllib.request

from bridge import Bridge, NoNetwork
from cluster import Cluster, run_tests
from load import Reader
from scenario import wait_for

READER_LAST = 251
SLOTS = (0, 1, 2)
FAR = 1  # the slot of the worker that is cut off


class PartitionTest(Cluster):
    @classmethod
    def make_net(cls):
        try:
            net = Bridge()
        except NoNetwork as error:
            raise AssertionError(
                "this machine gives pods no networks of their own, so that they cannot be cut off "
                f"from each other (root with CAP_NET_ADMIN and CAP_SYS_ADMIN is needed): {error}"
            ) from error
        cls.addClassCleanup(net.stop)
        return net

    @contextlib.contextmanager
    def cut(self, one, other):
        self.net.cut(one, other)
        try:
            yield
        finally:
            self.net.heal(one, other)

    @contextlib.contextmanager
    def reading(self, command, name):
        """A reader that goes on for as long as what is inside, and then to the end."""
        books = self.books.of_another_reader()
        reader = Reader(books, command, self.folder / f"{name}.cursor", self.agent.guard.popen)
        try:
            yield reader
            wait_for(lambda: f"{len(books.missing())} payloads are not read by {name}; it says "
                     f"{reader.said}", lambda: not books.missing())
        finally:
            reader.stop()
        self.assertEqual(books.wrong, [])

    def await_progress(self, reader, slots):
        """Each of them has been read from anew."""
        marks = {slot: self.offset(reader, slot) for slot in slots}
        wait_for(lambda: f"{reader.books.next} to move on from {marks}; the reader says "
                 f"{reader.said}",
                 lambda: all(self.offset(reader, slot) > marks[slot] + 50 for slot in slots))

    @staticmethod
    def offset(reader, slot):
        return reader.books.next.get(f"default/{slot}", 0)

    @staticmethod
    def stored(run):
        """How many payloads a worker has, by its own word."""
        with urllib.request.urlopen(f"http://{run.ip}:7073/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return int(float(re.search(r"^center_worker_payloads_total\S* (\S+)$", text, re.M)[1]))

    def await_said(self, reader, words):
        wait_for(lambda: f"the reader to say: {words}; it says {reader.said}",
                 lambda: any(words in line for line in reader.said))

    def state_of(self, slot):
        return [worker["state"] for worker in self.server()["workers"]
                if worker.get("slot", 0) == slot]

    def log_of(self, run):
        return run.log.read_text(errors="replace")

    def three_workers(self):
        type(self).slots_max = 3
        self.ok("server", "scale", "3")
        self.await_workers(3)
        return self.run_of(FAR)

    def test_1_a_worker_that_the_coordinator_cannot_reach_goes_on_and_registers_again(self):
        with self.loaded():
            run = self.three_workers()
            with self.reading([*self.command(), "tail"], "relayed") as reader:
                self.await_progress(reader, SLOTS)
                with self.cut(self.agent.coordinator_ip, run.ip):
                    self.check_worker_that_is_cut_off(run, reader)
                self.await_workers(3)
                self.await_event(f"default/{FAR}", "is heard again")
                self.await_progress(reader, SLOTS)
        self.assertEqual(self.log_of(run).count("registered with the coordinator"), 2)
        self.check_was_left_alone(run)

    def check_worker_that_is_cut_off(self, run, reader):
        self.await_event(f"default/{FAR}", "it hangs, or cannot reach this coordinator")
        self.assertEqual(self.state_of(FAR), ["WORKER_STATE_STARTING"])
        wait_for("the worker to notice",
                 lambda: "the line to the coordinator is down" in self.log_of(run))
        # Producers notice nothing, and readers of the others neither.
        mark, offset = self.stored(run), self.offset(reader, FAR)
        wait_for("payloads", lambda: self.stored(run) > mark + 200)
        self.await_progress(reader, set(SLOTS) - {FAR})
        self.assertEqual(self.offset(reader, FAR), offset)
        read = self.centerctl("tail", "--no-follow", "--from", "earliest", "-o", "raw")
        self.assertNotEqual(read.returncode, 0)
        self.assertIn(f"worker default/{FAR} is not available", read.stderr)

    def check_was_left_alone(self, run):
        """Its node sees it, so the coordinator has nothing done to it."""
        self.assertIs(self.run_of(FAR), run)
        self.assertEqual(run.restarts, 0)
        types = {event["type"] for event in self.events()
                 if event.get("subject") == f"default/{FAR}"}
        self.assertIn("EVENT_TYPE_WORKER_HUNG", types)
        self.assertNotIn("EVENT_TYPE_WORKER_DIED", types)
        self.assertNotIn("EVENT_TYPE_WORKER_STOPPED", types)

    def test_2_a_coordinator_that_starts_while_it_cannot_reach_a_worker_finds_it_later(self):
        with self.loaded():
            run = self.three_workers()
            with self.cut(self.agent.coordinator_ip, run.ip):
                self.kill_coordinator()
                wait_for(self.server, lambda: len(self.ready_workers()) == 2)
                self.assertEqual(self.state_of(FAR), ["WORKER_STATE_STARTING"])
                mark = self.stored(run)
                wait_for("payloads", lambda: self.stored(run) > mark + 200)
            self.await_workers(3)
            self.await_event(f"default/{FAR}", "has gone on serving all along")
        self.assertIs(self.run_of(FAR), run)
        self.assertEqual(run.restarts, 0)

    def test_3_a_direct_reader_that_cannot_reach_a_worker_says_so_and_goes_on_later(self):
        place = self.net.address(READER_LAST)
        command = [*self.net.at(place), *self.command(), "tail", "--direct"]
        with self.loaded():
            run = self.three_workers()
            with self.reading(command, "direct") as reader:
                self.await_progress(reader, SLOTS)
                with self.cut(place, run.ip):
                    self.await_said(reader, f"worker default/{FAR} cannot be reached at {run.ip}")
                    offset = self.offset(reader, FAR)
                    with self.cut(place, self.agent.coordinator_ip):
                        self.await_progress(reader, set(SLOTS) - {FAR})
                    self.assertEqual(self.offset(reader, FAR), offset)
                self.await_said(reader, f"worker default/{FAR} is read again")
                self.await_progress(reader, SLOTS)
            self.assertEqual(len(reader.said), 2, reader.said)


if __name__ == "__main__":
    run_tests()
