"""`centerctl drill --backend statefulset` on a real control plane: it prints zeros, and sees a loss.

  drill_test.py --programs build/bin --source . --folder /tmp/x
"""
import json
import signal
import time

from cluster import Cluster, run_tests
from drilling import DRILL_SECONDS, Drilling
from scenario import wait_for


class DrillTest(Drilling, Cluster):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start_service()

    def setUp(self):
        self.scale_to_all()

    def test_1_each_row_prints_zeros(self):
        before = self.uids()
        report = self.check_zeros("--direct", "--duration", "3s")
        self.assertEqual([row["name"] for row in report["rows"]],
                         ["rolling-restart", "worker-restart", "scale", "at-rest"])
        self.assertFalse(set(before) & set(self.uids()))

    def test_2_chaos_prints_zeros(self):
        self.check_zeros("chaos", "--duration", "30s")

    def test_3_a_volume_that_comes_back_empty_is_a_loss(self):
        """The control."""
        pods = {f"center-default-{slot}" for slot in range(self.slots)}
        runs = [self.run_of(slot) for slot in range(self.slots)]
        self.agent.held.update(pods)
        drill = self.start_drill("--rows", "worker-restart", "--duration", "10s")
        ended = wait_for("the drill to end a worker",
                         lambda: [run for run in runs if run.finished.is_set()])
        self.empty_the_journal_of(ended[0].name_)
        self.agent.held.difference_update(pods)
        out, err = drill.communicate(timeout=DRILL_SECONDS)
        self.assertEqual(drill.returncode, 1, out + err)
        report = json.loads(out)
        self.assertFalse(report["ok"])
        lost = int(report["lost"])
        self.assertGreater(lost, 0, out)
        self.assertLess(lost, sum(int(row["acknowledged"]) for row in report["rows"]), out)
        print(f"\n  {lost} lost; {report['rows'][0]['error']}", flush=True)
        self.assertIn("is lost", " ".join(report["notes"]))

    def empty_the_journal_of(self, pod):
        segments = list((self.agent.data / "claims").glob(f"*{pod}/**/*.seg"))
        self.assertTrue(segments)
        for segment in segments:
            segment.unlink()

    def test_4_an_interrupted_drill_leaves_as_many_workers_as_it_found(self):
        drill = self.start_drill("--rows", "scale", "--duration", "60s")
        wait_for("fewer workers", lambda: self.replicas() < self.slots)
        asked = time.monotonic()
        drill.send_signal(signal.SIGINT)
        drill.communicate(timeout=DRILL_SECONDS)
        self.assertEqual(drill.returncode, 130)
        self.assertLess(time.monotonic() - asked, 60)
        self.assertEqual(self.replicas(), self.slots)
        self.await_workers(self.slots)

    def test_5_what_is_no_fleet_for_it_is_left_alone(self):
        self.ok("server", "scale", "1")
        self.await_workers(1)
        before = self.run_of(0).uid
        for words, code, said in ((["--server", "nobody"], 64 + 5, "nobody"),
                                  (["--server", "default"], 1, "only one worker"),
                                  ([], 2, "--server")):
            answer = self.centerctl("--yes", "drill", "--backend", "statefulset", *words)
            self.assertEqual(answer.returncode, code, answer.stderr)
            self.assertIn(said, answer.stderr)
        self.assertEqual(self.run_of(0).uid, before)


if __name__ == "__main__":
    run_tests()
