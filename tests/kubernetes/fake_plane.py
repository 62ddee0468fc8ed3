"""An API server of a few hundred lines for tests without a control plane: pods and StatefulSets with
watches, scale, graceful deletion, and a controller that keeps a set's pods. Faults are made on
demand: answers with an error, watches that break or expire, an absence."""
import bisect
import copy
import datetime
import http.server
import json
import re
import threading
import time
import urllib.parse

from api import Api

CONTROLLER_SECONDS = 0.05
PATHS = re.compile(r"/(?:api/v1|apis/apps/v1)/namespaces/([^/]+)/(pods|statefulsets)"
                   r"(?:/([^/]+))?(?:/(status|scale|binding))?$")


def stamp():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def merge(target, patch):
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = value


class Store:
    """Objects with versions, and all that has happened to them."""

    def __init__(self):
        self.changed = threading.Condition()
        self.version = 100
        self.objects = {}  # (kind, name) -> object
        self.history = []  # (version, type, kind, object)
        self.oldest = 0    # a watch from before this version has expired

    def write(self, kind, value, how):
        self.version += 1
        value["metadata"]["resourceVersion"] = str(self.version)
        key = (kind, value["metadata"]["name"])
        if how == "DELETED":
            self.objects.pop(key, None)
        else:
            self.objects[key] = value
        self.history.append((self.version, how, kind, copy.deepcopy(value)))
        self.changed.notify_all()

    def put(self, kind, value):
        with self.changed:
            known = (kind, value["metadata"]["name"]) in self.objects
            if not known:
                value["metadata"].setdefault("uid", f"{kind}-{self.version + 1}")
                value["metadata"]["creationTimestamp"] = stamp()
            self.write(kind, value, "MODIFIED" if known else "ADDED")

    def expire(self):
        """Every watch must list again."""
        with self.changed:
            self.oldest = self.version + 1
            self.version += 1
            self.changed.notify_all()


def selected(value, selector):
    labels = value["metadata"].get("labels", {})
    for part in filter(None, selector.split(",")):
        name, equals, wanted = part.partition("=")
        if name not in labels or (equals and labels[name] != wanted):
            return False
    return True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, code, value, headers=()):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def fail(self, code, message, headers=()):
        self.answer(code, {"kind": "Status", "code": code, "message": message}, headers)

    def handle_any(self):
        plane = self.server.plane
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length) or b"{}")
        url = urllib.parse.urlparse(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        match = PATHS.match(url.path)
        plane.calls.append(f"{self.command} {self.path}")
        if self.headers.get("Authorization") != f"Bearer {plane.token}" and \
                self.headers.get("Authorization") != "Bearer agent":
            return self.fail(401, "Unauthorized")
        if match is None:
            return self.fail(404, "no such path")
        _, kind, name, part = match.groups()
        verb = "WATCH" if "watch" in query else self.command
        fault = plane.take_fault(verb, kind)
        if fault and self.headers.get("Authorization") != "Bearer agent":
            headers = [("Retry-After", "1")] if fault == 429 else []
            return self.fail(fault, f"a fault of the test: {fault}", headers)
        if self.command == "GET":
            return self.read(kind, name, query)
        if self.command == "DELETE":
            return self.remove(kind, name, body)
        return self.change(kind, name, part, body)

    def do_any(self):
        try:
            self.handle_any()
        except OSError:
            self.close_connection = True  # who asked has gone

    do_GET = do_POST = do_PATCH = do_DELETE = do_any

    def read(self, kind, name, query):
        store = self.server.plane.store
        if "watch" in query:
            return self.watch(kind, query)
        with store.changed:
            if name:
                value = store.objects.get((kind, name))
                return self.answer(200, value) if value else self.fail(404, f"{name} not found")
            items = [value for (of, _), value in sorted(store.objects.items())
                     if of == kind and selected(value, query.get("labelSelector", ""))]
            start = int(query.get("continue", 0))
            limit = int(query.get("limit", len(items) or 1))
            more = str(start + limit) if start + limit < len(items) else ""
            self.answer(200, {"metadata": {"resourceVersion": str(store.version), "continue": more},
                              "items": items[start:start + limit]})

    def watch(self, kind, query):
        plane, store = self.server.plane, self.server.plane.store
        at = int(query["resourceVersion"])
        generation = plane.watch_generation
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        deadline = time.monotonic() + float(query.get("timeoutSeconds", 60))
        with store.changed:
            seen = bisect.bisect_right(store.history, at, key=lambda event: event[0])

        def send(kind_of_event, value):
            self.wfile.write(json.dumps({"type": kind_of_event, "object": value}).encode() + b"\n")

        while time.monotonic() < deadline and plane.watch_generation == generation:
            with store.changed:
                expired = at < store.oldest
                events = [event for event in store.history[seen:] if event[2] == kind and
                          selected(event[3], query.get("labelSelector", ""))]
                seen = len(store.history)
                if not events and not expired:
                    store.changed.wait(0.2)
                    continue
            if expired:
                return send("ERROR", {"kind": "Status", "code": 410, "message": "too old"})
            for _, how, _, value in events:
                send(how, value)

    def remove(self, kind, name, options):
        store = self.server.plane.store
        with store.changed:
            value = store.objects.get((kind, name))
            if value is None:
                return self.fail(404, f"{kind} {name} not found")
            value = copy.deepcopy(value)
            uid = options.get("preconditions", {}).get("uid")
            if uid and uid != value["metadata"]["uid"]:
                return self.fail(409, "the uid in the precondition is another one")
            if kind == "pods" and options.get("gracePeriodSeconds") != 0:
                grace = options.get("gracePeriodSeconds",
                                    value["spec"].get("terminationGracePeriodSeconds", 30))
                before = value["metadata"].get("deletionGracePeriodSeconds", grace)
                value["metadata"]["deletionTimestamp"] = stamp()
                value["metadata"]["deletionGracePeriodSeconds"] = min(before, grace)
                store.write(kind, value, "MODIFIED")
            else:
                store.write(kind, value, "DELETED")
            self.answer(200, value)

    def change(self, kind, name, part, body):
        store = self.server.plane.store
        with store.changed:
            value = copy.deepcopy(store.objects.get((kind, name)))
            if value is None:
                return self.fail(404, f"{kind} {name} not found")
            if part == "binding":
                value["spec"]["nodeName"] = body["target"]["name"]
            else:
                uid = body.get("metadata", {}).get("uid")
                if uid and uid != value["metadata"]["uid"]:
                    return self.fail(409, "another pod has this name")
                merge(value, body)
            store.write(kind, value, "MODIFIED")
            self.answer(201 if part == "binding" else 200, value)


class FakePlane:
    def __init__(self, controller=True):
        """`controller`: pods are made and deleted as StatefulSets want it."""
        self.store, self.token = Store(), "first"
        self.calls, self.faults = [], []
        self.watch_generation, self.stopping = 0, False
        self.server = self.port = None
        self.start_server()
        if controller:
            threading.Thread(target=self.keep_sets, daemon=True).start()

    def start_server(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port or 0), Handler)
        self.server.daemon_threads = True
        self.server.plane = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop_server(self):
        self.watch_generation += 1
        self.server.shutdown()
        self.server.server_close()

    def stop(self):
        self.stopping = True
        self.stop_server()

    def api(self, token="agent"):
        return Api("127.0.0.1", self.port, None, token)

    def take_fault(self, verb, kind):
        for fault in self.faults:
            if (fault[0], fault[1]) == (verb, kind):
                self.faults.remove(fault)
                return fault[2]
        return None

    def write_kubeconfig(self, path, user, name_space):
        path.write_text(f"""apiVersion: v1
kind: Config
current-context: tests
contexts: [{{name: tests, context: {{cluster: tests, user: me, namespace: {name_space}}}}}]
clusters: [{{name: tests, cluster: {{server: "http://127.0.0.1:{self.port}"}}}}]
users: [{{name: me, user: {{{user}}}}}]
""")

    def keep_sets(self):
        """As the StatefulSet controller, with parallel pods."""
        while not self.stopping:
            with self.store.changed:
                for (kind, name), value in list(self.store.objects.items()):
                    if kind == "statefulsets":
                        self.keep_set(name, value)
            time.sleep(CONTROLLER_SECONDS)

    def keep_set(self, name, value):
        replicas = value["spec"]["replicas"]
        pods = {pod["metadata"]["name"]: pod for (kind, _), pod in self.store.objects.items()
                if kind == "pods" and pod["metadata"].get("ownedBy") == name}
        for ordinal in range(replicas):
            if f"{name}-{ordinal}" not in pods:
                self.store.put("pods", self.pod_of(value, name, ordinal))
        for pod_name, pod in pods.items():
            ordinal = int(pod_name.rsplit("-", 1)[1])
            if ordinal >= replicas and "deletionTimestamp" not in pod["metadata"]:
                pod = copy.deepcopy(pod)
                pod["metadata"]["deletionTimestamp"] = stamp()
                pod["metadata"]["deletionGracePeriodSeconds"] = \
                    pod["spec"].get("terminationGracePeriodSeconds", 30)
                self.store.write("pods", pod, "MODIFIED")

    @staticmethod
    def pod_of(value, name, ordinal):
        template = copy.deepcopy(value["spec"]["template"])
        labels = {**template["metadata"]["labels"], "apps.kubernetes.io/pod-index": str(ordinal)}
        spec = template["spec"]
        for claim in value["spec"].get("volumeClaimTemplates", []):
            volume = claim["metadata"]["name"]
            spec.setdefault("volumes", []).append({"name": volume, "persistentVolumeClaim": {
                "claimName": f"{volume}-{name}-{ordinal}"}})
        return {"metadata": {"name": f"{name}-{ordinal}", "namespace": value["metadata"]["namespace"],
                             "labels": labels, "ownedBy": name},
                "spec": spec, "status": {"phase": "Pending"}}
