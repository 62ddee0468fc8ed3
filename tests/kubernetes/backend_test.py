"""The whole of Center on a real control plane: manifests, the StatefulSet controller, real workers.

  backend_test.py --programs build/bin --source . --folder /tmp/x
"""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import threading

from api import ApiError
from cluster import NAMESPACE, Cluster, run_tests
from control_plane import CERT_MANAGER
from load import Books, Producers
from loopback import Loopback
from scenario import wait_for

ACCOUNT = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/center-coordinator"
ROLE = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/center-coordinator"
FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"


class ClusterTest(Cluster):
    def test_1_a_fleet_lives_through_what_happens_to_pods(self):
        self.check_what_happens_to_pods()

    def test_2_a_fleet_lives_through_what_happens_to_the_control_plane(self):
        with self.loaded():
            self.check_expired_watch()
            self.check_restart_of_etcd()
            self.check_throttling()
            self.check_revoked_token()
            self.check_restart_of_controllers()
            self.check_new_template()

    def check_expired_watch(self):
        """An API server that has just started remembers nothing from before: 410."""
        start = self.log_length()
        self.api.post(f"/api/v1/namespaces/{NAMESPACE}/configmaps",
                      {"metadata": {"name": "moves-the-version-on"}})
        self.stop_api()
        self.start_api()
        self.await_log("pods are listed anew", start)
        with self.gracefully():
            self.kubectl_scale(self.slots_max - 1)
            self.await_workers(self.slots_max - 1)

    def check_restart_of_etcd(self):
        with self.gracefully():
            self.plane.etcd.stop(signal.SIGKILL)
            self.await_traffic()
            self.plane.etcd.start()
            self.plane.await_ready()
            self.ok("server", "scale", str(self.slots_max))
            self.await_workers(self.slots_max)

    def check_throttling(self):
        """Priority and fairness gives all that use the coordinator's account one seat, and others
        have it: calls are answered 429."""
        start = self.log_length()
        with self.one_seat_taken():
            self.kill_coordinator()  # the next one must list anew
            self.await_log("the API server answers 429", start)
            refused = self.centerctl("server", "scale", "2")
            self.assertIn("the API server answers 429", refused.stderr)
            self.await_traffic()
        with self.gracefully():
            self.await_workers(self.slots_max)
            self.ok("server", "scale", "2")
            self.await_workers(2)

    @contextlib.contextmanager
    def one_seat_taken(self):
        """By lists that wait for a version that does not come."""
        levels, schemas = f"{FLOW}/prioritylevelconfigurations", f"{FLOW}/flowschemas"
        name, done = "one-seat", threading.Event()
        self.api.post(levels, {"metadata": {"name": name}, "spec": {
            "type": "Limited", "limited": {
                "nominalConcurrencyShares": 0, "borrowingLimitPercent": 0,
                "limitResponse": {"type": "Reject"}}}})
        subject = {"kind": "ServiceAccount", "serviceAccount": {
            "namespace": NAMESPACE, "name": "center-coordinator"}}
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
        self.api.post(schemas, {"metadata": {"name": name}, "spec": {
            "priorityLevelConfiguration": {"name": name}, "matchingPrecedence": 2,
            "rules": [{"subjects": [subject], "resourceRules": [everything]}]}})

        def sit():
            api = self.plane.api(self.token.read_text())
            while not done.wait(0.01):
                with contextlib.suppress(OSError, ApiError):
                    api.get(f"/api/v1/namespaces/{NAMESPACE}/pods", resourceVersion=2**60,
                            resourceVersionMatch="NotOlderThan")

        crowd = [threading.Thread(target=sit, daemon=True) for _ in range(4)]
        for one in crowd:
            one.start()
        try:
            yield
        finally:
            done.set()
            for one in crowd:
                one.join()
            self.api.delete(f"{schemas}/{name}")
            self.api.delete(f"{levels}/{name}")

    def check_revoked_token(self):
        """A token ends with its account; the next one is found in its file."""
        start = self.log_length()
        account = self.api.get(ACCOUNT)
        self.api.delete(ACCOUNT)
        for field in ("uid", "resourceVersion", "creationTimestamp"):
            account["metadata"].pop(field)
        self.api.post(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)
        wait_for("the old token to be refused", self.token_is_refused)
        refused = self.centerctl("server", "scale", str(self.slots_max))
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("401", refused.stderr)
        self.stop_api()
        self.start_api()
        self.await_log("the API server answers 401", start)
        self.token.write_text(self.new_token())
        self.await_log("are followed again", start)
        with self.gracefully():
            self.ok("server", "scale", str(self.slots_max))
            self.await_workers(self.slots_max)

    def token_is_refused(self):
        """The API server remembers for a few seconds whom it has let in."""
        try:
            self.plane.api(self.token.read_text()).get(f"/api/v1/namespaces/{NAMESPACE}/pods")
        except ApiError as error:
            return error.code == 401
        return False

    def check_restart_of_controllers(self):
        """While nobody makes pods, a pod that is deleted is missed; afterwards all is as wanted."""
        self.plane.controllers.stop(signal.SIGKILL)
        self.kubectl_delete("center-default-1")
        self.await_event("default/1", "deleted, not by Center")
        self.await_traffic()
        self.plane.controllers.start()
        self.await_workers(self.slots_max)

    def check_new_template(self):
        """A new image, or a new flag: the StatefulSet controller replaces pod after pod."""
        before = self.uids()
        with self.gracefully():
            self.api.patch(
                f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/center-default",
                {"spec": {"template": {"metadata": {"annotations": {"release": "next"}}}}})
            wait_for("the pods to be replaced", lambda: not set(before) & set(self.uids()))
            self.await_workers(self.slots_max)

    def test_3_the_role_gives_what_is_used_and_no_more(self):
        self.assertEqual(self.granted(), {
            ("pods", "delete"), ("pods", "list"), ("pods", "watch"), ("statefulsets", "list"),
            ("statefulsets", "watch"), ("statefulsets/scale", "patch")})
        self.scale_to_all()
        scale = ("server", "scale", str(self.slots_max + 1))
        for resource in ("pods", "statefulsets"):
            for verb in ("list", "watch"):
                with self.without(resource, verb) as words:
                    self.kill_coordinator()  # it has its list, and a watch that goes on
                    wait_for(words, lambda: words in self.centerctl("server", "status").stdout)
                self.await_workers(self.slots_max)
        for resource, verb, command in (("statefulsets/scale", "patch", scale),
                                        ("pods", "delete", ("server", "restart"))):
            with self.without(resource, verb) as words:
                answer = self.centerctl(*command)
                self.assertNotEqual(answer.returncode, 0)
                self.assertIn(words, answer.stderr)
            self.assertEqual(self.replicas(), self.slots_max)
            self.await_workers(self.slots_max)

    def granted(self):
        """What the coordinator's account may do with what is not about itself."""
        review = self.plane.api(self.token.read_text()).post(
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            {"spec": {"namespace": NAMESPACE}})
        return {(resource, verb) for rule in review["status"]["resourceRules"]
                for resource in rule["resources"] for verb in rule["verbs"]
                if not resource.startswith("self")}

    @contextlib.contextmanager
    def without(self, resource, verb):
        """The words with which the API server refuses it."""
        whole = self.api.get(ROLE)["rules"]
        rules = [{**rule, "verbs": [one for one in rule["verbs"]
                                    if (resource, one) != (rule["resources"][0], verb)]}
                 for rule in whole]
        self.api.patch(ROLE, {"rules": [rule for rule in rules if rule["verbs"]]})
        try:
            wait_for(f"no {verb} of {resource}",
                     lambda: (resource, verb) not in self.granted())
            yield f'cannot {verb} resource "{resource}"'
        finally:
            self.api.patch(ROLE, {"rules": whole})

    def test_4_a_server_without_a_stateful_set_names_the_manifest(self):
        answer = self.centerctl("server", "start", "games")
        self.assertNotEqual(answer.returncode, 0)
        self.assertIn("centerctl server manifest games", answer.stderr)
        manifest = self.ok("server", "manifest", "games", "--insecure", "--storage", "256Mi",
                           "--retain-bytes", "192MiB")
        applied = self.plane.kubectl("apply", "-n", NAMESPACE, "--validate=strict", "-f", "-",
                                     input=manifest)
        self.assertEqual(applied.returncode, 0, applied.stderr)
        self.assertEqual(applied.stderr, "")
        wait_for("the server",
                 lambda: self.centerctl("server", "status", "games").returncode == 0)

    def test_5_production_runs_over_mutual_tls(self):
        name, net = "production", Loopback()
        self.make_namespace(name)
        certificates = self.make_certificates(name, net)
        self.apply("production", name)
        agent = self.start_agent(name, net)
        self.addCleanup(agent.stop)

        def ctl(*words, mine=certificates):
            return subprocess.run(
                [f"{self.programs}/centerctl", "--address", f"{agent.coordinator_ip}:7070", *mine,
                 *words], text=True, capture_output=True, timeout=120)

        self.assertEqual(self.protocols(name), {"https"})
        self.assertEqual(self.protocols(NAMESPACE), {"kubernetes.io/h2c"})
        wait_for(lambda: f"three workers: {ctl('server', 'status')}",
                 lambda: ctl("server", "status").stdout.count("READY") >= 3 and
                 len(agent.serving) == 3)
        producers = Producers(Books(), agent.any_serving)
        wait_for("traffic", lambda: len(producers.books.acknowledged) > 500)
        producers.stop()
        for how in ([], ["--direct"]):
            read = ctl("tail", "--from", "earliest", "-o", "raw", "--count",
                       str(len(producers.books.sent)), *how)
            self.assertEqual(set(read.stdout.splitlines()), producers.books.sent, read.stderr)
        stranger = ctl("server", "status", mine=[])
        self.assertNotEqual(stranger.returncode, 0)
        self.assertIn("TLS", stranger.stderr)
        rolled = ctl("--timeout", "120s", "server", "restart")
        self.assertEqual(rolled.returncode, 0, rolled.stderr)

    def test_6_the_example_for_cert_manager_is_what_cert_manager_takes(self):
        """As far as its API goes: nothing makes the certificates here."""
        self.assertTrue(CERT_MANAGER.exists(), "run tests/kubernetes/build_control_plane.sh")
        self.kubectl("create", "-f", str(CERT_MANAGER.resolve()))
        wait_for("cert-manager's kinds", lambda: self.kinds_of("cert-manager.io/v1") >=
                 {"Certificate", "Issuer"})
        overlay = f"{self.options.source}/deploy/kustomize/overlays/production"
        strictly = ("apply", "-n", NAMESPACE, "--validate=strict", "-f")
        self.kubectl(*strictly, f"{overlay}/cert-manager.yaml")
        path = f"/apis/cert-manager.io/v1/namespaces/{NAMESPACE}/certificates"
        made = {item["spec"]["secretName"] for item in self.api.get(path)["items"]}
        # The overlay's pods mount two of them.
        rendered = self.kubectl("kustomize", overlay)
        mounted = set(re.findall(r"secretName: (\S+)", rendered))
        self.assertEqual(len(mounted), 2)
        self.assertLessEqual(mounted, made)
        example = pathlib.Path(f"{overlay}/cert-manager.yaml").read_text()
        wrong = self.plane.kubectl(*strictly, "-", input=example.replace("uris:", "uri:"))
        self.assertIn('unknown field "spec.uri"', wrong.stderr)  # so it would be seen

    def test_7_what_the_readme_forwards_to_is_there(self):
        """As far as it goes without a kubelet: the service, its port and a pod that runs."""
        for service, port in (("center-coordinator", "7070"), ("center-default", "5000")):
            done = self.plane.kubectl("port-forward", "-n", NAMESPACE, f"service/{service}", port)
            self.assertIn("error upgrading connection", done.stderr)

    def kinds_of(self, group):
        """That the API server serves."""
        try:
            return {resource["kind"] for resource in self.api.get(f"/apis/{group}")["resources"]}
        except ApiError:
            return set()

    def kubectl(self, *words):
        """What it prints; it must have nothing to warn of."""
        done = self.plane.kubectl(*words)
        self.assertEqual((done.returncode, done.stderr), (0, ""), f"{words}: {done.stdout}")
        return done.stdout

    def protocols(self, name_space):
        """What gateways are told that the gRPC ports speak."""
        services = self.api.get(f"/api/v1/namespaces/{name_space}/services")["items"]
        return {port.get("appProtocol") for service in services
                for port in service["spec"]["ports"] if port["name"] == "grpc"}

    def make_certificates(self, name_space, net):
        """By the script for users; where there is no DNS, the certificates need addresses as well."""
        folder = self.folder / "certificates"
        pods = ",".join(f"IP:{net.address(last)}" for last in range(10, 30))
        made = subprocess.run(
            [f"{self.options.source}/deploy/kustomize/certificates.sh", folder, name_space], text=True,
            capture_output=True, check=True,
            env={**os.environ, "CENTER_ALSO": f"IP:{net.address(1)}", "CENTER_WORKER_ALSO": pods})
        applied = self.plane.kubectl("apply", "-n", name_space, "--validate=strict", "-f", "-",
                                     input=made.stdout)
        self.assertEqual((applied.returncode, applied.stderr), (0, ""))
        return [f"--tls-cert={folder}/reader.pem", f"--tls-key={folder}/reader.key",
                f"--tls-ca={folder}/ca.pem"]


if __name__ == "__main__":
    run_tests()
