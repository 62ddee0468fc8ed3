"""A real coordinator and real workers with an API server that is faked: what can go wrong with one
is made to go wrong.

  fake_backend_test.py --programs build/bin --folder /tmp/x
"""
import argparse
import pathlib
import signal
import sys
import unittest

from control_plane import Part
from drilling import Drilling
from fake_plane import FakePlane
from loopback import Loopback
from node_agent import NodeAgent
from scenario import Scenario, folder_of, wait_for

OPTIONS = None
NAMESPACE = Scenario.name_space
LABELS = {"app.kubernetes.io/part-of": "center", "app.kubernetes.io/component": "worker",
          "center.v1/server": "default"}


def worker_set(replicas):
    def field(name, path):
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    command = ["/usr/local/bin/center-worker", "--name=default/$(CENTER_SLOT)",
               "--data-dir=/data/journal", "--host=0.0.0.0", "--port=5000", "--listen=0.0.0.0:7072",
               "--coordinator=center-coordinator:7070", "--http=0.0.0.0:7073", "--lame-duck=500ms"]
    container = {
        "name": "worker", "image": "center", "command": command,
        "env": [field("CENTER_SLOT", "metadata.labels['apps.kubernetes.io/pod-index']"),
                field("CENTER_POD_UID", "metadata.uid")],
        "ports": [{"name": "ingest", "containerPort": 5000}, {"name": "http", "containerPort": 7073}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return {"metadata": {"name": "center-default", "namespace": NAMESPACE, "labels": LABELS},
            "spec": {"replicas": replicas,
                     "template": {"metadata": {"labels": LABELS},
                                  "spec": {"containers": [container]}},
                     "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}


class FakeClusterTest(Drilling, Scenario):
    @classmethod
    def setUpClass(cls):
        cls.folder = folder = folder_of(OPTIONS)
        cls.programs = OPTIONS.programs
        cls.plane = FakePlane()
        cls.addClassCleanup(cls.plane.stop)
        cls.token = folder / "token"
        cls.token.write_text(cls.plane.token)
        kubeconfig = folder / "kubeconfig"
        cls.plane.write_kubeconfig(kubeconfig, f"tokenFile: {cls.token}", NAMESPACE)
        cls.agent = NodeAgent(cls.plane.api(), NAMESPACE, folder / "node", cls.programs, kubeconfig,
                              Loopback())
        cls.agent.start()
        cls.addClassCleanup(cls.agent.stop)
        cls.coordinator = Part(cls.agent.guard, folder, "coordinator", [
            f"{cls.programs}/center-coordinator", "--backend=statefulset",
            f"--kubeconfig={kubeconfig}", f"--data-dir={folder}/data", "--http=off",
            f"--listen={cls.agent.coordinator_ip}:7070"])
        cls.coordinator.start()
        cls.addClassCleanup(cls.coordinator.stop)
        cls.plane.store.put("statefulsets", worker_set(1))
        wait_for("a worker that is ready", cls.ready_workers)

    def kubectl_scale(self, replicas):
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/center-default"
        self.plane.api().patch(path, {"spec": {"replicas": replicas}})

    def kubectl_delete(self, pod, **options):
        self.plane.api().delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}", options)

    def replicas(self):
        return self.plane.store.objects["statefulsets", "center-default"]["spec"]["replicas"]

    def stop_api(self):
        self.plane.stop_server()

    def start_api(self):
        self.plane.start_server()

    def kill_coordinator(self):
        self.coordinator.stop(signal.SIGKILL)
        self.coordinator.start()

    def test_1_a_fleet_lives_through_what_happens_to_pods(self):
        self.check_what_happens_to_pods()

    def test_2_what_an_api_server_may_do_is_lived_through(self):
        with self.loaded():
            self.check_faults()

    def check_faults(self):
        self.ok("server", "scale", "2")
        self.await_workers(2)
        for fault in (429, 503, 500):
            self.plane.faults.append(("PATCH", "statefulsets", fault))
        self.ok("server", "scale", "3")
        self.await_workers(3)
        # The watch expires, breaks, and may not be begun again at once.
        self.plane.store.expire()
        self.plane.faults += [("GET", "pods", 503), ("WATCH", "pods", 500), ("WATCH", "pods", 429)]
        self.kubectl_scale(4)
        self.await_workers(4)
        self.plane.watch_generation += 1
        self.kubectl_scale(3)
        self.await_workers(3)
        # The token is replaced, in the file first.
        self.token.write_text("second")
        self.plane.token = "second"
        self.plane.watch_generation += 1
        self.kubectl_scale(2)
        self.await_workers(2)
        self.ok("server", "scale", "3")
        self.await_workers(3)

    def test_3_rights_that_are_missing_are_told(self):
        self.plane.faults.append(("PATCH", "statefulsets", 403))
        answer = self.centerctl("server", "scale", "5")
        self.assertNotEqual(answer.returncode, 0)
        self.assertIn("the API server answers 403", answer.stderr)
        self.assertEqual(self.replicas(), len(self.server()["workers"]))

    def test_4_settings_and_unknown_servers_are_told_where_they_belong(self):
        answer = self.centerctl("server", "start", "games")
        self.assertIn("centerctl server manifest games", answer.stderr)
        answer = self.centerctl("server", "params", "--set", "framing=octet")
        self.assertIn("StatefulSet", answer.stderr)

    def test_5_the_drill_prints_zeros(self):
        self.start_service()
        self.scale_to_all()
        self.check_zeros("--rows", "worker-restart,scale", "--duration", "2s", "--direct")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True, type=lambda path: pathlib.Path(path).absolute())
    parser.add_argument("--folder", required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
