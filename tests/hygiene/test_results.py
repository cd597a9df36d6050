"""How tests/run reads what test programs leave behind: nothing that went wrong may look like success."""

import json
import signal
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import results  # noqa: E402

LOG = """\
[ RUN      ] Echo.Works
noise without an end of line[       OK ] Echo.Works (0 ms)
[ RUN      ] Echo.NeedsARing
echo_test.cpp:5: Skipped
io_uring_setup: EPERM
[  SKIPPED ] Echo.NeedsARing (0 ms)
[ RUN      ] Echo.Breaks
echo_test.cpp:9: Failure
why
[  FAILED  ] Echo.Breaks, where GetParam() = 3 (12 ms)
[ RUN      ] Echo.Last
"""
WHOLE_LOG = LOG + "[       OK ] Echo.Last (0 ms)\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] Echo.Breaks\n"


def case(name, status="RUN", result="COMPLETED", **more):
    return {"classname": "Echo", "name": name, "status": status, "result": result, **more}


class ReadingResults(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.report = Path(directory.name) / "report.json"

    def googletest(self, status, log, *cases):
        if cases:
            self.report.write_text(json.dumps({"testsuites": [{"testsuite": cases}]}))
        return results.read_googletest(status, self.report, log)

    def test_of_the_swarms_seeds_the_last_one_is_what_to_run_again(self):
        log = "[ RUN      ] Swarm.Runs\nseed 1\nseed 2\nseed 3\nwhy\n"
        self.assertEqual(results.replay_line(log), "tests/run --seed 3 swarm")
        self.assertEqual(results.replay_line(log + "seed 4 on epoll\n"), "tests/run --seed 4 swarm")
        said = log + "replay: tests/run --seed 3 swarm\n[ RUN      ] Others\nseed 4 on epoll\n"
        self.assertEqual(results.replay_line(said), "tests/run --seed 3 swarm")
        self.assertIsNone(results.replay_line(LOG))
        complaint = self.googletest(-signal.SIGSEGV, log).complaint
        self.assertIn("seed 3\nwhy", complaint)
        self.assertNotIn("seed 2", complaint)

    def test_a_whole_run_is_counted_from_its_report(self):
        cases = [case("Works"), case("NeedsARing", result="SKIPPED"), case("Breaks", failures=[{}]), case("Last")]
        result = self.googletest(1, WHOLE_LOG, *cases, case("Off", status="NOTRUN", result="SUPPRESSED"))
        self.assertEqual(result.passed, 2)
        self.assertEqual(result.failed, ["Echo.Breaks"])
        expected = [("Echo.NeedsARing", "io_uring_setup: EPERM"), ("Echo.Off", "disabled in the source")]
        self.assertEqual(result.skipped, expected)
        self.assertIn("why", result.complaint)
        self.assertNotIn("noise", result.complaint)

    def test_a_crash_is_one_more_failure_and_names_the_test(self):
        result = self.googletest(-signal.SIGSEGV, LOG)
        self.assertEqual(result.passed, 1)
        self.assertEqual(result.failed, ["Echo.Breaks", "Echo.Last (ended by SIGSEGV)"])
        self.assertEqual([name for name, _ in result.skipped], ["Echo.NeedsARing"])

    def test_a_program_that_ends_early_has_failed_whatever_its_status(self):
        self.assertEqual(self.googletest(0, LOG).failed[-1], "Echo.Last (ended with exit status 0)")
        self.assertEqual(self.googletest(0, "").failed, ["the program (ended with exit status 0)"])

    def test_a_bad_status_after_good_tests_is_a_failure(self):
        result = self.googletest(23, "LeakSanitizer: detected memory leaks\n", case("Works"))
        self.assertEqual(result.failed, ["the program (ended with exit status 23)"])
        self.assertIn("memory leaks", result.complaint)

    def test_running_out_of_time_is_a_failure(self):
        self.assertEqual(self.googletest(None, LOG).failed[-1], "Echo.Last (ran out of time)")

    def test_python_tests(self):
        cases = [("A.a", "passed", ""), ("A.b", "skipped", "no valgrind"), ("A.c", "failed", "Traceback")]
        self.report.write_text(json.dumps([{"name": name, "outcome": how, "text": text} for name, how, text in cases]))
        result = results.read_unittest(1, self.report, "")
        self.assertEqual((result.passed, result.failed, result.skipped), (1, ["A.c"], [("A.b", "no valgrind")]))

    def test_a_python_file_that_does_not_load_has_failed(self):
        result = results.read_unittest(1, self.report, "SyntaxError: invalid syntax\n")
        self.assertEqual(result.failed, ["the program (ended with exit status 1)"])
        self.assertIn("SyntaxError", result.complaint)
        self.assertTrue(results.read_unittest(0, self.report, "").failed)


if __name__ == "__main__":
    unittest.main()
