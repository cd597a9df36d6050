"""The swarm finds the defect that was put into a library for it (runtime/src/task_group.cpp), and can show it again."""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import results  # noqa: E402

PROGRAM = Path(os.environ["SENNIT_BUILD_DIR"]) / "tests" / "swarm" / "swarm_tests"


def run_swarm(seed=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SENNIT_SWARM")}
    if seed is not None:
        environment["SENNIT_SWARM_SEED"] = seed
    return subprocess.run(
        [str(PROGRAM), "--gtest_color=no", "--gtest_filter=Swarm.RandomPrograms*"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
    )


def complaint(output):
    return re.search(r'Which is: "(.*)"', output)[1]


class PlantedBug(unittest.TestCase):
    def test_is_found_among_the_usual_seeds_and_again_with_the_seed_alone(self):
        found = run_swarm()
        self.assertEqual(found.returncode, 1, found.stdout[-2000:])
        line = re.search(r"^replay: (tests/run --seed (\d+) swarm)", found.stdout, re.MULTILINE)
        self.assertIsNotNone(line, found.stdout[-2000:])
        self.assertEqual(line[1], results.replay_line(found.stdout))
        again = run_swarm(line[2])
        self.assertEqual(again.returncode, 1, again.stdout)
        self.assertEqual(complaint(again.stdout), complaint(found.stdout))


if __name__ == "__main__":
    unittest.main()
