"""What a fleet of pods lives through, whatever stands for the cluster: shared by backend_test.py (a
real control plane) and fake_backend_test.py."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest

WAIT_SECONDS = 60


def wait_for(what, condition, seconds=WAIT_SECONDS):
    """The first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.1)


class Scenario(unittest.TestCase):
    """A subclass sets `programs`, `agent` and what is below as NotImplementedError."""

    programs = agent = None
    name_space = "center"

    def kubectl_scale(self, replicas):
        raise NotImplementedError

    def kubectl_delete(self, pod):
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

    @classmethod
    def centerctl(cls, *words, timeout=120):
        return subprocess.run(
            [f"{cls.programs}/centerctl", "--address", f"{cls.agent.coordinator_ip}:7070",
             "--timeout", "60s", *words], text=True, capture_output=True, timeout=timeout)

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
        wait_for(f"{count} workers that are ready", lambda: len(self.ready_workers()) == count ==
                 len(self.server().get("workers", [])))

    def events(self):
        return [json.loads(line) for line in
                self.ok("events", "-o", "json").splitlines()]

    def await_event(self, subject, words):
        return wait_for(f"an event of {subject}: {words}", lambda: any(
            event.get("subject") == subject and words in event.get("reason", "")
            for event in self.events()))

    def run_of(self, slot):
        return wait_for(f"pod {slot}", lambda: self.agent.run_of(f"center-default-{slot}"))

    def send(self, slot, lines=100):
        """Over one connection, which is closed in order: what is sent then is received."""
        with socket.create_connection((self.run_of(slot).ip, 5000), timeout=10) as connection:
            for _ in range(lines):
                self.sent.append(f"{slot} {len(self.sent)}")
                connection.sendall(self.sent[-1].encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    def check_received(self):
        """Every payload that was sent, once."""
        answer = self.centerctl("tail", "--from", "earliest", "--count", str(len(self.sent)),
                                "-o", "raw")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertEqual(sorted(answer.stdout.splitlines()), sorted(self.sent))

    def uids(self):
        return [self.run_of(slot).uid for slot in range(3)]

    # One test: a cluster has a history, and starting one takes its time.
    def check_what_happens_to_pods(self):
        self.sent = []
        self.check_scaling()
        self.check_death()
        self.check_rolling()
        self.check_absence_of_the_api()
        self.check_death_of_the_coordinator()
        self.check_received()
        self.check_stop_and_start()

    def check_scaling(self):
        self.await_workers(1)
        self.ok("server", "scale", "3")
        self.assertEqual(self.replicas(), 3)
        self.await_workers(3)
        for slot in range(3):
            self.send(slot)
        # What others set is followed, not fought.
        self.kubectl_scale(4)
        self.await_workers(4)
        self.assertEqual(self.replicas(), 4)
        self.await_event("default", "from 3 to 4 workers, not by Center")
        self.ok("server", "scale", "3")
        self.await_workers(3)

    def check_death(self):
        run = self.run_of(1)
        os.kill(run.process.pid, signal.SIGKILL)
        wait_for("the restart", lambda: run.restarts == 1)
        self.await_workers(3)
        self.await_event("default/1", "killed by SIGKILL")
        self.send(1)

    def check_rolling(self):
        before = self.uids()
        self.ok("server", "restart")
        self.await_workers(3)
        self.assertFalse(set(before) & set(self.uids()))
        self.send(0)
        self.kubectl_delete("center-default-2")
        self.await_event("default/2", "deleted, not by Center")
        self.await_workers(3)

    def check_absence_of_the_api(self):
        self.stop_api()
        self.send(0)
        self.assertEqual(len(self.ready_workers()), 3)
        self.start_api()
        self.ok("server", "scale", "2")
        self.await_workers(2)
        self.ok("server", "scale", "3")
        self.await_workers(3)

    def check_death_of_the_coordinator(self):
        before = self.uids()
        self.kill_coordinator()
        self.send(1)
        self.await_workers(3)
        self.assertEqual(before, self.uids())

    def check_stop_and_start(self):
        self.ok("server", "stop")
        self.assertEqual(self.replicas(), 0)
        self.ok("server", "start", "-n", "3")
        self.await_workers(3)
        self.check_received()


def folder_of(options):
    folder = pathlib.Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
