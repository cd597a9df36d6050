"""What a suite of tests came to, and how it is read from what the test programs leave behind."""

import json
import re
import signal
from dataclasses import dataclass, field


@dataclass
class Result:
    passed: int = 0
    failed: list = field(default_factory=list)  # names
    skipped: list = field(default_factory=list)  # (name, reason)
    complaint: str = ""  # what of the log tells why something failed

    def to_json(self):
        return {"passed": self.passed, "skipped": self.skipped}

    @staticmethod
    def from_json(stored):
        return Result(passed=stored["passed"], skipped=[tuple(pair) for pair in stored["skipped"]])


def ending(status):
    """How a process ended, in words."""
    if status is None:
        return "ran out of time"
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"


def read_googletest(status, report, log):
    """From GoogleTest's JSON report; after a crash, which leaves none, from its log."""
    result = Result()
    log = without_passed_seeds(log)
    reasons = skip_reasons(log)
    if report.exists():
        for suite in json.loads(report.read_text())["testsuites"]:
            for case in suite["testsuite"]:
                name = f"{case['classname']}.{case['name']}"
                if case["status"] == "NOTRUN":
                    result.skipped.append((name, "disabled in the source"))
                elif case["result"] == "SKIPPED":
                    result.skipped.append((name, reasons.get(name, "no reason given")))
                elif "failures" in case:
                    result.failed.append(name)
                else:
                    result.passed += 1
    else:
        result.passed = len(re.findall(r"\[       OK \] \S+ \(\d+ ms\)$", log, re.MULTILINE))
        result.failed = re.findall(r"\[  FAILED  \] ([^\s,]+).* \(\d+ ms\)$", log, re.MULTILINE)
        result.skipped = list(reasons.items())

    result.complaint = "\n".join(case_log(log, name) for name in result.failed)
    if not report.exists() or (status != 0 and not result.failed):
        started = re.findall(r"^\[ RUN      \] (\S+)", log, re.MULTILINE)
        last = started[-1] if started and not report.exists() else "the program"
        result.failed.append(f"{last} ({ending(status)})")
        result.complaint = tail(log)
    return result


def without_passed_seeds(log):
    """The swarm names each seed before it runs, so that a crash has one; of those only the last is of interest."""
    return re.sub(r"^seed \d+( on \w+)?\n(?=seed \d+( on \w+)?\n)", "", log, flags=re.MULTILINE)


def replay_line(log):
    """What runs the failed seed of the swarm again; None when the log names no seed."""
    if said := re.search(r"^replay: (tests/run --seed \d+ swarm)", log, re.MULTILINE):
        return said[1]
    seeds = re.findall(r"^seed (\d+)", log, re.MULTILINE)  # a crash says nothing
    return f"tests/run --seed {seeds[-1]} swarm" if seeds else None


def skip_reasons(log):
    """GTEST_SKIP writes its message between the line of its place and the line with the test's name."""
    reasons = {}
    message = []
    for line in log.splitlines():
        if skipped := re.search(r"\[  SKIPPED \] (\S+) \(\d+ ms\)", line):
            reasons[skipped[1]] = " ".join(message) or "no reason given"
        elif line.startswith("[ RUN      ]") or line.endswith(": Skipped"):
            message = []
        elif line.strip():
            message.append(line.strip())
    return reasons


def case_log(log, name):
    start = log.find(f"[ RUN      ] {name}\n")
    end = re.compile(rf"^\[  FAILED  \] {re.escape(name)}.*$", re.MULTILINE).search(log, max(start, 0))
    return log[max(start, 0) : end.end() if end else None]


def tail(log, lines=120):
    return "\n".join(log.splitlines()[-lines:])


def read_unittest(status, report, log):
    """From the report of run_unittest.py."""
    result = Result()
    if report.exists():
        for case in json.loads(report.read_text()):
            if case["outcome"] == "passed":
                result.passed += 1
            elif case["outcome"] == "skipped":
                result.skipped.append((case["name"], case["text"]))
            else:
                result.failed.append(case["name"])
                result.complaint += f"{case['name']}\n{case['text']}\n"
    if not report.exists() or (status != 0 and not result.failed):
        result.failed.append(f"the program ({ending(status)})")
        result.complaint = tail(log)
    return result
