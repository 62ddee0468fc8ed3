"""The whole of Center on a real control plane: manifests, the StatefulSet controller, real workers.

  backend_test.py --programs build/bin --source . --folder /tmp/x
"""
import argparse
import os
import pathlib
import signal
import sys
import unittest

from control_plane import ControlPlane, find_program
from node_agent import NodeAgent
from scenario import Scenario, folder_of, wait_for

OPTIONS = None
NAMESPACE = Scenario.name_space


class ClusterTest(Scenario):
    @classmethod
    def setUpClass(cls):
        folder = folder_of(OPTIONS)
        cls.programs = OPTIONS.programs
        cls.plane = ControlPlane(folder / "plane", OPTIONS.control_plane).start()
        cls.addClassCleanup(cls.plane.stop)
        cls.api = cls.plane.api()
        cls.make_namespace(NAMESPACE)
        cls.apply("dev", NAMESPACE)
        kubeconfig, token = folder / "coordinator.kubeconfig", folder / "token"
        token.write_text(cls.new_token())
        cls.plane.write_kubeconfig(kubeconfig, f"tokenFile: {token}", NAMESPACE)
        cls.agent = NodeAgent(cls.plane.api(), NAMESPACE, folder / "node", cls.programs, kubeconfig)
        cls.agent.start()
        cls.addClassCleanup(cls.agent.stop)
        wait_for("a coordinator and a worker that is ready", cls.ready_workers)

    @classmethod
    def make_namespace(cls, name):
        cls.api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": {
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/warn": "restricted"}}})

    @classmethod
    def apply(cls, overlay, name_space, *flags):
        """Strictly, and without a warning."""
        folder = pathlib.Path(OPTIONS.source) / "deploy/kustomize/overlays" / overlay
        applied = cls.plane.kubectl("apply", "-n", name_space, "--validate=strict", *flags,
                                    "-k", str(folder))
        if applied.returncode != 0 or applied.stderr:
            raise AssertionError(f"{overlay}: {applied.stdout}{applied.stderr}")

    @classmethod
    def new_token(cls):
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/center-coordinator/token"
        answer = cls.api.post(account, {"spec": {"expirationSeconds": 3600}})
        return answer["status"]["token"]

    def kubectl_scale(self, replicas):
        scaled = self.plane.kubectl("scale", "-n", NAMESPACE, "statefulset/center-default",
                                    f"--replicas={replicas}")
        self.assertEqual(scaled.returncode, 0, scaled.stderr)

    def kubectl_delete(self, pod):
        self.api.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}")

    def replicas(self):
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/center-default"
        return self.api.get(path)["spec"]["replicas"]

    def stop_api(self):
        self.plane.apiserver.stop(signal.SIGKILL)

    def start_api(self):
        self.plane.apiserver.start()
        self.plane.await_ready()

    def kill_coordinator(self):
        run = self.agent.run_of("center-coordinator-0")
        os.kill(run.process.pid, signal.SIGKILL)
        wait_for("the coordinator", lambda: run.restarts == 1)

    def test_1_a_fleet_lives_through_what_happens_to_pods(self):
        self.check_what_happens_to_pods()

    def test_2_a_server_without_a_stateful_set_names_the_manifest(self):
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

    def test_3_the_role_gives_what_is_used_and_no_more(self):
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/center-coordinator"
        granted = sorted((resource, verb) for rule in self.api.get(path)["rules"]
                         for resource in rule["resources"] for verb in rule["verbs"])
        self.assertEqual(granted, [
            ("pods", "delete"), ("pods", "list"), ("pods", "watch"), ("statefulsets", "list"),
            ("statefulsets", "watch"), ("statefulsets/scale", "patch")])

    def test_4_production_is_accepted_by_the_api_server(self):
        self.make_namespace("production")
        self.apply("production", "production", "--dry-run=server")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True, type=lambda path: pathlib.Path(path).absolute())
    parser.add_argument("--source", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--control-plane", default=find_program())
    OPTIONS, rest = parser.parse_known_args()
    if OPTIONS.control_plane is None:
        sys.exit("there is no control plane: run tests/kubernetes/build_control_plane.sh")
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
