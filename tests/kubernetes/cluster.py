"""The whole of Center on a real control plane, for tests of it: manifests, the StatefulSet controller,
real workers."""
import argparse
import os
import pathlib
import signal
import sys
import unittest

from control_plane import ControlPlane, find_program
from loopback import Loopback
from node_agent import NodeAgent
from scenario import Scenario, folder_of, wait_for

NAMESPACE = Scenario.name_space


class Cluster(Scenario):
    """A control plane, the overlay "dev" and a node agent, for all tests of a class."""

    options = None  # of the command line; see run_tests

    @classmethod
    def setUpClass(cls):
        cls.folder = folder = folder_of(cls.options)
        cls.programs = cls.options.programs
        cls.net = net = cls.make_net()
        cls.plane = ControlPlane(folder / "plane", cls.options.control_plane, net)
        cls.addClassCleanup(cls.plane.stop)
        cls.plane.start()
        cls.api = cls.plane.api()
        cls.make_namespace(NAMESPACE)
        cls.apply("dev", NAMESPACE)
        cls.token = folder / f"{NAMESPACE}.token"
        cls.agent = cls.start_agent(NAMESPACE, net)
        cls.addClassCleanup(cls.agent.stop)
        wait_for("a coordinator and a worker that is ready", cls.ready_workers)

    @classmethod
    def make_net(cls):
        """Where all of it runs."""
        return Loopback()

    @classmethod
    def make_namespace(cls, name):
        cls.api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": {
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/warn": "restricted"}}})

    @classmethod
    def apply(cls, overlay, name_space, *flags):
        """Strictly, and without a warning."""
        folder = pathlib.Path(cls.options.source) / "deploy/kustomize/overlays" / overlay
        applied = cls.plane.kubectl("apply", "-n", name_space, "--validate=strict", *flags,
                                    "-k", str(folder))
        if applied.returncode != 0 or applied.stderr:
            raise AssertionError(f"{overlay}: {applied.stdout}{applied.stderr}")

    @classmethod
    def new_token(cls, name_space=NAMESPACE):
        path = f"/api/v1/namespaces/{name_space}/serviceaccounts/center-coordinator/token"
        return cls.api.post(path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]

    @classmethod
    def start_agent(cls, name_space, net):
        kubeconfig = cls.folder / f"{name_space}.kubeconfig"
        token = cls.folder / f"{name_space}.token"
        token.write_text(cls.new_token(name_space))
        cls.plane.write_kubeconfig(kubeconfig, f"tokenFile: {token}", name_space)
        agent = NodeAgent(cls.plane.api(), name_space, cls.folder / f"node-{name_space}",
                          cls.programs, kubeconfig, net)
        agent.start()
        return agent

    def kubectl_scale(self, replicas):
        scaled = self.plane.kubectl("scale", "-n", NAMESPACE, "statefulset/center-default",
                                    f"--replicas={replicas}")
        self.assertEqual(scaled.returncode, 0, scaled.stderr)

    def kubectl_delete(self, pod, **options):
        self.api.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}", options)

    def replicas(self):
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/center-default"
        return self.api.get(path)["spec"]["replicas"]

    def stop_api(self):
        self.plane.apiserver.stop(signal.SIGKILL)

    def start_api(self):
        self.plane.apiserver.start()
        self.plane.await_ready()

    def coordinator(self):
        return wait_for("the coordinator", lambda: self.agent.run_of("center-coordinator-0"))

    def kill_coordinator(self):
        run = self.coordinator()
        restarts = run.restarts
        os.kill(run.process.pid, signal.SIGKILL)
        wait_for("the coordinator", lambda: run.restarts == restarts + 1)

    def await_log(self, words, start):
        """Of the coordinator, from `start` on."""
        log = self.agent.folder / "center-coordinator-0.log"
        wait_for(f"the coordinator says: {words}",
                 lambda: words in log.read_text(errors="replace")[start:])

    def log_length(self):
        return len((self.agent.folder / "center-coordinator-0.log").read_text(errors="replace"))


def run_tests():
    """Those of the program that calls this, with its command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True, type=lambda path: pathlib.Path(path).absolute())
    parser.add_argument("--source", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--control-plane", default=find_program())
    Cluster.options, rest = parser.parse_known_args()
    if Cluster.options.control_plane is None:
        sys.exit("there is no control plane: run tests/kubernetes/build_control_plane.sh")
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
