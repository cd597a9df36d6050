"""Runs the unittest cases of one file and writes what became of each as JSON.

run_unittest.py FILE REPORT [PART...]: only the cases whose names contain one of the parts, all without parts.
`--list` in the place of REPORT prints the names of those cases.
"""

import importlib.util
import json
import sys
import time
import unittest
from pathlib import Path


class Recorder(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.cases = []
        self.outcome = None  # of the test that runs, None between tests

    def startTest(self, test):
        super().startTest(test)
        self.outcome = ("passed", "")
        self.started = time.monotonic()
        print(f"[ RUN ] {short_name(test)}", flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        self.record(short_name(test), *self.outcome, f" ({time.monotonic() - self.started:.2f} s)")
        self.outcome = None

    def record(self, name, outcome, text, time_taken=""):
        self.cases.append({"name": name, "outcome": outcome, "text": text})
        print(f"[{outcome}] {name}{time_taken}\n{text}" if text else f"[{outcome}] {name}{time_taken}", flush=True)

    def fail(self, test, error):
        text = self._exc_info_to_string(error, test)
        if self.outcome is None:  # setUpClass and the like, where there is no test
            self.record(str(test), "failed", text)
        else:
            self.outcome = ("failed", self.outcome[1] + text)

    def addError(self, test, err):
        super().addError(test, err)
        self.fail(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.fail(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcome = ("failed", f"{self.outcome[1]}{subtest}\n{self._exc_info_to_string(err, test)}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if self.outcome is None:  # a whole class
            self.record(str(test), "skipped", reason)
        elif self.outcome[0] != "failed":
            self.outcome = ("skipped", reason)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.outcome = ("failed", "expected to fail, but passed")


def short_name(test):
    return f"{type(test).__name__}.{test._testMethodName}" if hasattr(test, "_testMethodName") else str(test)


def cases_of(suite):
    for member in suite:
        if isinstance(member, unittest.TestSuite):
            yield from cases_of(member)
        else:
            yield member


def main():
    file, report, *parts = sys.argv[1:]
    path = Path(file).resolve()
    sys.path[:0] = [str(path.parent), str(Path(__file__).resolve().parent)]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)

    cases = list(cases_of(unittest.defaultTestLoader.loadTestsFromModule(module)))
    if parts:
        cases = [case for case in cases if any(part in short_name(case) for part in parts)]
    if report == "--list":
        print("\n".join(short_name(case) for case in cases))
        return 0

    recorder = Recorder()
    unittest.TestSuite(cases).run(recorder)
    Path(report).write_text(json.dumps(recorder.cases))
    return 0 if recorder.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
