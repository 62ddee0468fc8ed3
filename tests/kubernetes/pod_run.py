"""One pod as a process of this machine; see node_agent.py."""
import base64
import datetime
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request

from api import ApiError

POLL_SECONDS = 0.1
CRASH_PAUSE_SECONDS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
# Of a pod that was taken off the books: what a node gives it all the same.
FORCED_GRACE_SECONDS = 2


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Probe:
    def __init__(self, spec, ip, ports):
        get = spec.get("httpGet", {})
        port = get.get("port")
        self.url = f"http://{ip}:{ports.get(port, port)}{get.get('path', '/')}"
        self.period = spec.get("periodSeconds", 10)
        self.timeout = spec.get("timeoutSeconds", 1)
        self.failures_max = spec.get("failureThreshold", 3)
        self.failures, self.due = 0, 0.0

    def ask(self):
        """True, False, or None when it is not due."""
        if time.monotonic() < self.due:
            return None
        self.due = time.monotonic() + min(self.period, 1.0)
        try:
            with urllib.request.urlopen(self.url, timeout=self.timeout) as answer:
                good = answer.status < 400
        except OSError:
            good = False
        self.failures = 0 if good else self.failures + 1
        return good


class PodRun(threading.Thread):
    """From its binding to its end."""

    def __init__(self, agent, pod, ip):
        super().__init__(daemon=True)
        self.agent, self.pod, self.ip = agent, pod, ip
        self.name_, self.uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        self.container = pod["spec"]["containers"][0]
        self.restarts, self.last_state, self.ready = 0, {}, False
        self.started_ok = False
        self.process = None
        self.delete_grace = None  # seconds; None: it is to live
        self.started = None
        self.finished = threading.Event()
        self.log = agent.folder / f"{self.name_}.log"

    def value_of(self, entry):
        if "value" in entry:
            return entry["value"]
        path = entry["valueFrom"]["fieldRef"]["fieldPath"]
        label = re.fullmatch(r"metadata\.labels\['(.*)'\]", path)
        if label:
            return self.pod["metadata"]["labels"].get(label.group(1), "")
        return {"metadata.name": self.name_, "metadata.uid": self.uid, "status.podIP": self.ip,
                "metadata.namespace": self.pod["metadata"]["namespace"],
                "spec.nodeName": self.agent.node}[path]

    def folder_of(self, volume):
        """Where its files are; None: this pod does without."""
        if "persistentVolumeClaim" in volume:
            folder = self.agent.data / "claims" / volume["persistentVolumeClaim"]["claimName"]
        elif "emptyDir" in volume:
            folder = self.agent.data / "empty" / self.uid / volume["name"]
        elif "secret" in volume:
            folder = self.agent.data / "secrets" / self.uid / volume["name"]
        else:
            return None  # the token of the service account
        folder.mkdir(parents=True, exist_ok=True)
        if "secret" in volume:
            self.write_secret(volume["secret"]["secretName"], folder)
        return folder

    def write_secret(self, name, folder):
        secret = self.agent.api.get(
            f"/api/v1/namespaces/{self.agent.name_space}/secrets/{name}")
        for key, value in secret["data"].items():
            (folder / key).touch(mode=0o600)
            (folder / key).write_bytes(base64.b64decode(value))

    def command(self, env):
        volumes = {volume["name"]: volume for volume in self.pod["spec"].get("volumes", [])}
        folders = {mount["mountPath"]: self.folder_of(volumes[mount["name"]])
                   for mount in self.container.get("volumeMounts", [])}
        places = "|".join(re.escape(path) for path, folder in folders.items() if folder)
        result = []
        for word in self.container.get("command", []) + self.container.get("args", []):
            word = re.sub(r"\$\((\w+)\)", lambda m: env.get(m.group(1), m.group(0)), word)
            if places:
                word = re.sub(f"(?<==)({places})(?=/|$)", lambda m: str(folders[m[0]]), word)
            word = word.replace("0.0.0.0", self.ip)
            word = re.sub(rf"(?<==){re.escape(self.name_)}\.[a-z0-9.-]+\.svc(?=:)", self.ip, word)
            word = re.sub(r"(?<==)center-coordinator(?=:)", self.agent.coordinator_ip, word)
            word = word.replace("/usr/local/bin", str(self.agent.programs))
            result.append(word)
        if self.pod["metadata"]["labels"].get("app.kubernetes.io/component") == "coordinator":
            result += [f"--kubeconfig={self.agent.coordinator_kubeconfig}",
                       f"--kube-namespace={self.agent.name_space}"]
        return result

    def launch(self):
        env = {entry["name"]: self.value_of(entry) for entry in self.container.get("env", [])}
        command = self.command(env)
        with open(self.log, "ab") as log:
            self.process = self.agent.guard.popen(
                [*self.agent.net.at(self.ip), *command], stdout=log, stderr=log,
                env={**os.environ, **env, "TMPDIR": "/tmp"}, stdin=subprocess.DEVNULL)
        self.started = now()
        self.ready = self.started_ok = False
        ports = {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}
        self.probes = {kind: Probe(self.container[kind], self.ip, ports)
                       for kind in ("startupProbe", "readinessProbe", "livenessProbe")
                       if kind in self.container}

    def launch_first(self):
        """Waits for the secrets that it mounts; False: it was deleted before they came."""
        while self.delete_grace is None:
            try:
                self.launch()
                return True
            except (OSError, ApiError) as error:
                self.agent.note(f"{self.name_}: {error}")
            self.agent.tick.wait(POLL_SECONDS)
        return False

    def state(self):
        if self.process is None:
            return {"waiting": {"reason": "ContainerCreating"}}
        code = self.process.poll()
        if code is None:
            return {"running": {"startedAt": self.started}}
        return self.terminated(code)

    def terminated(self, code):
        # As container runtimes have it: a signal is in the exit code.
        exit_code = 128 - code if code < 0 else code
        return {"terminated": {"exitCode": exit_code, "startedAt": self.started,
                               "finishedAt": now(),
                               "reason": "Completed" if exit_code == 0 else "Error"}}

    def report(self, state=None, phase="Running"):
        ready = self.ready and self.delete_grace is None
        status = {
            "phase": phase, "podIP": self.ip, "podIPs": [{"ip": self.ip}], "hostIP": "127.0.0.1",
            "startTime": self.started or now(),
            "conditions": [{"type": kind, "status": "True" if good else "False",
                            "lastTransitionTime": now()}
                           for kind, good in (("PodScheduled", True), ("Initialized", True),
                                              ("ContainersReady", ready), ("Ready", ready))],
            "containerStatuses": [{
                "name": self.container["name"], "image": self.container["image"], "imageID": "",
                "ready": ready, "restartCount": self.restarts, "state": state or self.state(),
                "lastState": self.last_state}]}
        try:
            self.agent.api.patch(f"{self.agent.pods}/{self.name_}/status",
                                 {"metadata": {"uid": self.uid}, "status": status})
        except OSError:
            pass  # the server is away: the next report says it
        except ApiError as error:
            if error.code not in (404, 409):  # it, or its name, is another's now
                self.agent.note(f"{self.name_}: its status: {error}")

    def ask_probes(self):
        """False: it must be restarted."""
        startup = self.probes.get("startupProbe")
        if startup and not self.started_ok:
            good = startup.ask()
            self.started_ok = bool(good)
            return startup.failures < startup.failures_max
        readiness = self.probes.get("readinessProbe")
        good = readiness.ask() if readiness else True
        if good is not None and good != self.ready:
            self.ready = good
            self.report()
        liveness = self.probes.get("livenessProbe")
        if liveness:
            liveness.ask()
            return liveness.failures < liveness.failures_max
        return True

    def run(self):
        if self.launch_first():
            self.report()
            while self.delete_grace is None:
                code = self.process.poll()
                if code is not None:
                    self.restart(code)
                elif not self.ask_probes():
                    self.agent.note(f"{self.name_}: killed by its liveness probe")
                    self.process.send_signal(signal.SIGKILL)
                    self.process.wait()
                self.agent.tick.wait(POLL_SECONDS)
        self.end()
        self.finished.set()

    def restart(self, code):
        self.ready = False
        ended = self.terminated(code)
        pause = CRASH_PAUSE_SECONDS[min(self.restarts, len(CRASH_PAUSE_SECONDS) - 1)]
        self.report(ended)
        if pause:
            self.last_state = ended
            self.report({"waiting": {"reason": "CrashLoopBackOff",
                                     "message": f"back-off {pause}s restarting"}})
            deadline = time.monotonic() + pause
            while time.monotonic() < deadline and self.delete_grace is None:
                time.sleep(POLL_SECONDS)
        if self.delete_grace is not None:
            return
        self.last_state = ended
        self.restarts += 1
        self.launch()
        self.report()

    def end(self):
        if self.process is not None:
            self.report()
            self.end_process()
        while not self.agent.stopping:
            if self.process is not None:
                self.report(self.terminated(self.process.returncode))
            try:
                self.agent.api.delete(f"{self.agent.pods}/{self.name_}",
                                      {"gracePeriodSeconds": 0,
                                       "preconditions": {"uid": self.uid}})
                return
            except ApiError as error:
                if error.code in (404, 409):
                    return
            except OSError:
                pass
            time.sleep(POLL_SECONDS)

    def end_process(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        while self.process.poll() is None:
            # A later deletion may have shortened it.
            if time.monotonic() - asked > self.delete_grace:
                self.process.kill()
            time.sleep(POLL_SECONDS / 2)
