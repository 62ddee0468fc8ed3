"""What stands for nodes in the tests: runs the pods of a namespace as processes of this machine.

It binds pods to a node, gives each a loopback address of its own (127.77.x.y), runs the command of
its first container with the pod's environment (downward API), volumes (claims and emptyDirs are
folders, which come back with a pod of the same name) and probes, and writes true status back. A pod
that is deleted gets SIGTERM and, after its grace, SIGKILL; a container that ends is started again.

As there is no network of pods, and no root file system of theirs, the words of a command are
translated: the paths of volumes, 0.0.0.0 and the name of the coordinator's service.
"""
import datetime
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.request

from api import ApiError

POLL_SECONDS = 0.1
CRASH_PAUSE_SECONDS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
NODE = "node-1"


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
    """One pod, from its binding to its end."""

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
                "spec.nodeName": NODE}[path]

    def folders(self):
        volumes = {volume["name"]: volume for volume in self.pod["spec"].get("volumes", [])}
        found = {}
        for mount in self.container.get("volumeMounts", []):
            volume = volumes[mount["name"]]
            if "persistentVolumeClaim" in volume:
                name = "claims/" + volume["persistentVolumeClaim"]["claimName"]
            elif "emptyDir" in volume:
                name = f"empty/{self.uid}/{mount['name']}"
            else:
                continue
            folder = self.agent.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            found[mount["mountPath"]] = folder
        return found

    def command(self, env):
        words = self.container.get("command", []) + self.container.get("args", [])
        folders = self.folders()
        result = []
        for word in words:
            word = re.sub(r"\$\((\w+)\)", lambda m: env.get(m.group(1), m.group(0)), word)
            for path, folder in folders.items():
                word = re.sub(rf"(?<==){re.escape(path)}(?=/|$)", str(folder), word)
            word = word.replace("0.0.0.0", self.ip)
            word = re.sub(r"(?<==)center-coordinator(?=:)", self.agent.coordinator_ip, word)
            word = word.replace("/usr/local/bin", str(self.agent.programs))
            result.append(word)
        if self.pod["metadata"]["labels"].get("app.kubernetes.io/component") == "coordinator":
            result += [f"--kubeconfig={self.agent.coordinator_kubeconfig}",
                       f"--kube-namespace={self.agent.name_space}"]
        return result

    def launch(self):
        env = {entry["name"]: self.value_of(entry) for entry in self.container.get("env", [])}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(env), env={**os.environ, **env, "TMPDIR": "/tmp"}, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.started = now()
        self.ready = self.started_ok = False
        ports = {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}
        self.probes = {kind: Probe(self.container[kind], self.ip, ports)
                       for kind in ("startupProbe", "readinessProbe", "livenessProbe")
                       if kind in self.container}

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
        except (OSError, ApiError):
            pass  # the server is away, or the pod is gone: the next report says it

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
        self.launch()
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
        self.report()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            while self.process.poll() is None:
                # A later deletion may have shortened it.
                if time.monotonic() - asked > self.delete_grace:
                    self.process.kill()
                time.sleep(POLL_SECONDS / 2)
        code = self.process.wait()
        while not self.agent.stopping:
            self.report(self.terminated(code))
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


class NodeAgent(threading.Thread):
    def __init__(self, api, name_space, folder, programs, coordinator_kubeconfig):
        super().__init__(daemon=True)
        self.api, self.name_space = api, name_space
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.programs, self.coordinator_kubeconfig = programs, coordinator_kubeconfig
        self.pods = f"/api/v1/namespaces/{name_space}/pods"
        self.coordinator_ip = "127.77.0.1"
        self.runs, self.stopping, self.next_ip = {}, False, 1
        self.tick = threading.Event()
        self.notes = []
        self.held = set()  # pods that are not to be started

    def note(self, text):
        self.notes.append(text)

    def take_ip(self, pod):
        if pod["metadata"]["labels"].get("app.kubernetes.io/component") == "coordinator":
            return self.coordinator_ip
        self.next_ip += 1
        return f"127.77.{self.next_ip // 250}.{self.next_ip % 250 + 1}"

    def step(self):
        for pod in self.api.get(self.pods)["items"]:
            uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
            run = self.runs.get(uid)
            deleting = pod["metadata"].get("deletionTimestamp")
            if run is None and not deleting and name not in self.held:
                if not pod["spec"].get("nodeName"):
                    self.api.post(f"{self.pods}/{name}/binding", {
                        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
                        "target": {"kind": "Node", "name": NODE}})
                self.runs[uid] = PodRun(self, pod, self.take_ip(pod))
                self.runs[uid].start()
            elif run is None and deleting:
                self.api.delete(f"{self.pods}/{name}", {"gracePeriodSeconds": 0})
            elif run is not None and deleting:
                run.delete_grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)

    def run(self):
        while not self.stopping:
            try:
                self.step()
            except (OSError, ApiError) as error:
                self.note(f"agent: {error}")
            time.sleep(POLL_SECONDS)

    def run_of(self, name):
        """The pod of this name that lives."""
        for run in list(self.runs.values()):
            if run.name_ == name and not run.finished.is_set() and run.delete_grace is None:
                return run
        return None

    def stop(self):
        self.stopping = True
        self.join()  # no pod is started any more
        for run in self.runs.values():
            run.delete_grace = 0  # and none again
        for run in self.runs.values():
            run.join()
            if run.process is not None and run.process.poll() is None:
                run.process.kill()
                run.process.wait()
