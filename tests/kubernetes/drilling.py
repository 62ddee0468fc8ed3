"""`centerctl drill --backend statefulset` on the fleet of a Scenario, whatever stands for its cluster."""
import json

from service import Service

SERVICE_LAST = 4
DRILL_SECONDS = 300


class Drilling:
    """Beside Scenario: of a class whose `agent` runs."""

    service = None  # see start_service

    @classmethod
    def start_service(cls):
        cls.service = Service((cls.agent.net.address(SERVICE_LAST), 5000),
                              lambda: (ip := cls.agent.any_serving()) and (ip, 5000))
        cls.addClassCleanup(cls.service.stop)

    def drill_words(self, *words):
        return ("--yes", "-o", "json", "drill", *words, "--backend", "statefulset", "--server",
                "default", "--producers", f"{self.agent.net.address(SERVICE_LAST)}:5000")

    def start_drill(self, *words):
        """As a process, for what happens meanwhile."""
        return self.agent.guard.popen([*self.command(), *self.drill_words(*words)], text=True,
                                      stdout=-1, stderr=-1)

    def check_zeros(self, *words):
        answer = self.centerctl(*self.drill_words(*words), timeout=DRILL_SECONDS)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        report = json.loads(answer.stdout)
        self.assertTrue(report["ok"])
        for row in report["rows"]:
            print("\n ", {field: value for field, value in row.items() if value}, end="", flush=True)
            for field in ("refused", "reset", "lost", "duplicated", "unseen", "damaged"):
                self.assertEqual(row[field], "0", row)
            if row["name"] != "at-rest":
                self.assertNotEqual(row["acknowledged"], "0", row)
        print(flush=True)
        self.assertEqual([journal["worker"] for journal in report["journals"]],
                         [f"default/{slot}" for slot in range(self.slots_max)])
        self.await_workers(self.slots_max)
        return report
