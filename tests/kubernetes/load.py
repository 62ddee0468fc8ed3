"""Producers and a subscriber, and the books of what was sent, acknowledged and read.

A payload is sent once. It is acknowledged when the worker has closed its connection in order after
the producer's last byte; what was on a connection that broke may be stored or not, but not twice.
"""
import json
import pathlib
import signal
import socket
import subprocess
import threading
import time

LINES_PER_CONNECTION = 20
BETWEEN_LINES_SECONDS = 0.002
BETWEEN_CONNECTIONS_SECONDS = 0.02
CLOSE_SECONDS = 60  # drains, and slow machines
READER_SECONDS = 3  # then it is stopped, and another goes on from its cursor


class Books:
    """Thread-safe."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent, self.acknowledged = set(), set()
        self.read = {}  # payload -> where: "default/0 #17"
        self.next = {}  # worker -> the offset that comes next
        self.refused, self.reset, self.nowhere = 0, 0, 0
        self.wrong, self.notes = [], []

    def take(self, worker, offset, text):
        with self.lock:
            if len(self.wrong) > 20:
                return
            expected = self.next.setdefault(worker, 0)
            if offset != expected:
                self.wrong.append(f"{worker}: #{offset} came instead of #{expected}")
            self.next[worker] = offset + 1
            if text in self.read:
                self.wrong.append(f"{text} is at {self.read[text]} and at {worker} #{offset}")
            if text not in self.sent:
                self.wrong.append(f"{worker} #{offset} was sent by nobody: {text[:80]}")
            self.read[text] = f"{worker} #{offset}"

    def broke(self, connected, error):
        with self.lock:
            if connected:
                self.reset += 1
            else:
                self.refused += 1
            self.notes.append(f"{time.strftime('%H:%M:%S')} {error}")

    def missing(self):
        with self.lock:
            return self.acknowledged - self.read.keys()

    def of_another_reader(self):
        """The same payloads, of which nothing is read yet."""
        books = Books()
        books.lock, books.sent, books.acknowledged = self.lock, self.sent, self.acknowledged
        return books

    def troubles(self):
        """What no graceful change may cause."""
        with self.lock:
            return {"refused": self.refused, "reset": self.reset}


class Producers:
    """From construction until `stop`: one connection after the other, to where `address` says."""

    def __init__(self, books, address, count=6):
        self.books, self.address = books, address
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True)
                        for number in range(count)]
        self.base = time.time_ns() // 1_000_000  # numbers of connections are not used again
        for thread in self.threads:
            thread.start()

    def run(self, number):
        connection = 0
        while not self.stopping.is_set():
            ip = self.address()
            if ip is None:
                self.books.nowhere += 1
            else:
                connection += 1
                self.send(ip, f"{self.base}.{number}.{connection}")
            self.stopping.wait(BETWEEN_CONNECTIONS_SECONDS)

    def send(self, ip, name):
        lines = [f"{name}.{line}" for line in range(LINES_PER_CONNECTION)]
        connected = False
        try:
            with socket.create_connection((ip, 5000), timeout=CLOSE_SECONDS) as connection:
                connected = True
                for line in lines:
                    with self.books.lock:
                        self.books.sent.add(line)
                    connection.sendall(line.encode() + b"\n")
                    self.stopping.wait(BETWEEN_LINES_SECONDS)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
        except OSError as error:
            return self.books.broke(connected, f"{ip}: {error}")
        with self.books.lock:
            self.books.acknowledged.update(lines)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Reader(threading.Thread):
    """One `centerctl tail`, from a cursor on and until it is stopped."""

    def __init__(self, books, command, cursor, popen):
        """`command`: centerctl and its flags; those of tail may follow."""
        super().__init__(daemon=True)
        self.books = books
        self.said = []  # lines on stderr
        self.code = None
        self.process = popen(
            [*command, "--from", "earliest", "--cursor", str(cursor), "-o", "json"], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.start()

    def run(self):
        listener = threading.Thread(target=self.listen, daemon=True)
        listener.start()
        for line in self.process.stdout:
            payload = json.loads(line)
            self.books.take(payload["worker"], int(payload.get("offset", 0)),
                            payload.get("text", ""))
        self.code = self.process.wait()
        listener.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def listen(self):
        for line in self.process.stderr:
            self.said.append(line.strip())

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.join()


class Subscriber(threading.Thread):
    """Reads by `centerctl tail`, relayed and from the workers themselves in turn: each is stopped
    after a while, and the next goes on from the cursor that it has left."""

    def __init__(self, books, centerctl, folder, popen):
        super().__init__(daemon=True)
        self.books, self.centerctl, self.popen = books, centerctl, popen
        self.cursor = pathlib.Path(folder) / "cursor.json"
        self.stopping = False
        self.errors = []
        self.runs = 0
        self.start()

    def run(self):
        while not self.stopping:
            self.runs += 1
            self.read_for_a_while(["--direct"] if self.runs % 2 == 0 else [])

    def read_for_a_while(self, how):
        reader = Reader(self.books, [*self.centerctl, "tail", *how], self.cursor, self.popen)
        reader.join(READER_SECONDS)
        if reader.is_alive():
            reader.stop()
        # Going on by itself is told, and no trouble.
        self.errors += [f"exit {reader.code}: {line}" for line in reader.said if reader.code != 0]

    def stop(self):
        self.stopping = True
        self.join()


class Load:
    """Producers and a subscriber together."""

    def __init__(self, books, address, centerctl, folder, popen):
        """`popen`: as subprocess.Popen, or a Guard's."""
        self.books = books
        self.subscriber = Subscriber(books, centerctl, folder, popen)
        self.producers = Producers(books, address)

    def stop(self):
        self.producers.stop()
        self.subscriber.stop()
