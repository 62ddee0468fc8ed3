"""What a fleet of pods lives through, whatever stands for the cluster: shared by backend_test.py (a
real control plane) and fake_backend_test.py."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from load import Books, Load

WAIT_SECONDS = 90


def wait_for(what, condition, seconds=WAIT_SECONDS):
    """The first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            detail = what() if callable(what) else what
            raise AssertionError(f"not in time: {detail}")
        time.sleep(0.1)


def folder_of(options):
    """Empty."""
    folder = pathlib.Path(options.folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Scenario(unittest.TestCase):
    """A subclass sets `programs`, `agent`, `folder` and what is below as NotImplementedError."""

    programs = agent = folder = None
    books = None  # of all tests of a class: a cluster has a history
    name_space = "center"
    slots = 3
    slots_max = 3  # so many it has had

    def kubectl_scale(self, replicas):
        raise NotImplementedError

    def kubectl_delete(self, pod, **options):
        raise NotImplementedError

    def replicas(self):
        raise NotImplementedError

    def stop_api(self):
        raise NotImplementedError

    def start_api(self):
        raise NotImplementedError

    def kill_coordinator(self):
        """With -9; returns when it runs again."""
        raise NotImplementedError

    # ---- asking

    @classmethod
    def command(cls):
        return [f"{cls.programs}/centerctl", "--address", f"{cls.agent.coordinator_ip}:7070"]

    @classmethod
    def centerctl(cls, *words, timeout=180):
        return subprocess.run([*cls.command(), "--timeout", "120s", *words], text=True,
                              capture_output=True, timeout=timeout)

    @classmethod
    def server(cls):
        answer = cls.centerctl("server", "status", "-o", "json")
        return json.loads(answer.stdout) if answer.stdout[:1] == "{" else {}

    @classmethod
    def ready_workers(cls):
        return [worker for worker in cls.server().get("workers", [])
                if worker.get("state") == "WORKER_STATE_READY"]

    def ok(self, *words):
        answer = self.centerctl(*words)
        self.assertEqual(answer.returncode, 0, f"{words}: {answer.stdout}{answer.stderr}")
        return answer.stdout

    def await_workers(self, count):
        """By Center's word and by the pods' readiness."""
        def settled():
            workers = self.server().get("workers", [])
            return len(workers) == count == len(self.agent.serving) and all(
                worker.get("state") == "WORKER_STATE_READY" for worker in workers)

        wait_for(lambda: f"{count} workers that are ready, of {self.server()}", settled)

    def events(self):
        return [json.loads(line) for line in
                self.ok("events", "-o", "json").splitlines()]

    def await_event(self, subject, words):
        def told():
            return [event for event in self.events() if event.get("subject") == subject and
                    words in event.get("reason", "")]

        def events_of_it():
            return [event.get("reason") for event in self.events()
                    if event.get("subject") == subject]

        return wait_for(lambda: f"an event of {subject}: {words}; there are {events_of_it()}", told)

    def run_of(self, slot):
        return wait_for(f"pod {slot}", lambda: self.agent.run_of(f"center-default-{slot}"))

    def uids(self):
        return [self.run_of(slot).uid for slot in range(self.slots)]

    # ---- load

    @contextlib.contextmanager
    def loaded(self):
        """What is inside happens under load; afterwards all that was acknowledged must be read."""
        cls = type(self)
        if cls.books is None:
            cls.books = Books()
        load = Load(self.books, self.agent.any_serving, self.command(), self.folder,
                    self.agent.guard.popen)
        try:
            self.await_traffic()
            yield load
            self.await_traffic()
            load.producers.stop()
            self.scale_to_all()
            wait_for(lambda: f"{len(self.books.missing())} payloads are acknowledged and not read; "
                     f"{load.subscriber.errors[-3:]}", lambda: not self.books.missing())
        finally:
            load.stop()
        self.check_books()
        print(f"\n  {len(self.books.sent)} payloads sent, {len(self.books.acknowledged)} "
              f"acknowledged, {len(self.books.read)} read; {self.books.reset} connections broke, "
              f"{self.books.refused} were refused; {load.subscriber.runs} readers in a row",
              flush=True)

    def await_traffic(self):
        enough = len(self.books.acknowledged) + 200
        wait_for(lambda: f"traffic; {self.books.notes[-3:]}",
                 lambda: len(self.books.acknowledged) >= enough)

    def scale_to_all(self):
        """Journals of slots that were scaled away can be read when their slots are back."""
        if self.replicas() < self.slots_max:
            self.ok("server", "scale", str(self.slots_max))
        self.await_workers(self.slots_max)

    def check_books(self):
        self.assertEqual(self.books.wrong, [])
        self.assertEqual(self.books.missing(), set())
        # A new reader, which has seen nothing, finds the same.
        stored = self.ok("tail", "--from", "earliest", "--no-follow", "-o", "raw").splitlines()
        self.assertEqual(len(stored), len(set(stored)))
        self.assertEqual(set(stored) - self.books.sent, set())
        self.assertEqual(self.books.acknowledged - set(stored), set())

    @contextlib.contextmanager
    def gracefully(self):
        """What is inside refuses and resets nobody."""
        before, notes = self.books.troubles(), len(self.books.notes)
        self.await_traffic()
        yield
        self.await_traffic()
        self.assertEqual(self.books.troubles(), before, self.books.notes[notes:])

    # ---- what happens to pods

    def check_what_happens_to_pods(self):
        with self.loaded():
            self.check_scaling()
            self.check_death()
            self.check_rolling()
            self.check_deletion()
            self.check_absence_of_the_api()
            self.check_death_of_the_coordinator()
        self.check_stop_and_start()

    def check_scaling(self):
        with self.gracefully():
            self.ok("server", "scale", "3")
            self.assertEqual(self.replicas(), 3)
            self.await_workers(3)
        # What others set is followed, not fought.
        type(self).slots_max = 4
        with self.gracefully():
            self.kubectl_scale(4)
            self.await_workers(4)
        self.assertEqual(self.replicas(), 4)
        self.await_event("default", "from 3 to 4 workers, not by Center")
        with self.gracefully():
            self.ok("server", "scale", "3")
            self.await_workers(3)
        self.await_event("default/3", "the server is scaled down")

    def check_death(self):
        run = self.run_of(1)
        os.kill(run.process.pid, signal.SIGKILL)
        wait_for("the restart", lambda: run.restarts == 1)
        self.await_workers(3)
        self.await_event("default/1", "killed by SIGKILL")
        self.assertEqual(run, self.run_of(1))  # the container, not the pod

    def check_rolling(self):
        before = self.uids()
        with self.gracefully():
            self.ok("server", "restart")
            self.await_workers(3)
        self.assertFalse(set(before) & set(self.uids()))
        self.await_event("default/2", "its pod was deleted by Center")

    def check_deletion(self):
        with self.gracefully():
            self.kubectl_delete("center-default-2")
            self.await_event("default/2", "deleted, not by Center; exited with code 0")
            self.await_workers(3)
        # Off the books at once, while its process lives: the next one must wait for the journal.
        before = self.run_of(0)
        self.kubectl_delete("center-default-0", gracePeriodSeconds=0)
        wait_for("the next pod", lambda: self.run_of(0).uid != before.uid)
        self.await_event("default/0", "deleted, not by Center")
        self.await_workers(3)

    def check_absence_of_the_api(self):
        self.stop_api()
        with self.gracefully():
            self.assertEqual(len(self.ready_workers()), 3)
        self.start_api()
        with self.gracefully():
            self.ok("server", "scale", "2")
            self.await_workers(2)
            self.ok("server", "scale", "3")
            self.await_workers(3)

    def check_death_of_the_coordinator(self):
        before = self.uids()
        with self.gracefully():
            self.kill_coordinator()
            self.await_workers(3)
        self.assertEqual(before, self.uids())

    def check_stop_and_start(self):
        self.ok("server", "stop")
        self.assertEqual(self.replicas(), 0)
        self.ok("server", "start", "-n", str(self.slots_max))
        self.await_workers(self.slots_max)
        self.check_books()
