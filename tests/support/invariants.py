"""Writes docs/invariants.md: which tests show what, and how much they did, from the reports of the last run."""

import fnmatch
import json
import re
import subprocess

import suites
from building import ROOT
from invariants_data import INVARIANTS

PAGE = ROOT / "docs" / "invariants.md"
COUNTED = {
    "seeds": "seeds",
    "faults": "faults",
    "cancellation_points": "cancellation points",
    "failed_operations": "failed operations",
    "failed_allocations": "failed allocations",
    "failed_system_calls": "failed system calls",
    "rewritten_completions": "rewritten completions",
    "connections": "connections",
    "bytes": "bytes",
    "datagrams": "datagrams",
    "inputs": "inputs",
}


class NotShown(Exception):
    """Why no page can be written."""


def plain_name(name):
    """Without the backend: `Backends/Close.PendingAcceptIsWoken/sim` and `Hostile_epoll.test_x` lose theirs."""
    name = re.sub(r"^\w+/", "", name)
    return re.sub(r"_(epoll|io_uring)\.", ".", name.split("/")[0])


def runs(suite):
    """(plain name, counts) of each test of the suite that passed."""
    if suite.known_green() is None or not suite.report.exists():
        raise NotShown(f"{suite.name} has not passed, as a whole and as it is now; run tests/run first")
    report = json.loads(suite.report.read_text())
    if isinstance(report, list):
        cases = [(case["name"], case["outcome"], {}) for case in report]
    else:
        cases = [
            (f"{case['classname']}.{case['name']}", outcome_of(case), case)
            for group in report["testsuites"]
            for case in group["testsuite"]
        ]
    for name, outcome, case in cases:
        if outcome == "passed":
            yield plain_name(name), {key: int(case[key]) for key in COUNTED if key in case}


def outcome_of(case):
    return "passed" if case["status"] == "RUN" and case["result"] == "COMPLETED" else "skipped"


def row(number, text, patterns, passed):
    tests = set()
    count = 0
    totals = dict.fromkeys(COUNTED, 0)
    for name, counts in passed:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            tests.add(name)
            count += 1
            for key, value in counts.items():
                totals[key] += value
    if patterns and not count:
        raise NotShown(f"no test of `{', '.join(patterns)}` has passed")
    done = ", ".join(f"{total:,} {COUNTED[key]}" for key, total in totals.items() if total)
    shown = "<br>".join(f"`{pattern}`" for pattern in patterns) or "not shown yet"
    return f"| {number} | {text} | {shown} | {len(tests)} | {count} | {done} |"


def write_page():
    """Returns a line that says what was written. Throws NotShown."""
    # Not those that read the project's files, of which the page is one.
    chosen = [suite for suite in suites.usual_suites() if suite.build is not None and not getattr(suite, "also", ())]
    passed = [run for suite in chosen for run in runs(suite)]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    lines = [
        "# What is promised, and what shows it",
        "",
        f"Written by `tests/run --invariants` from the reports of the last `tests/run`, at commit {commit.strip()}. A test runs",
        "on each backend that it has a meaning for, in an optimised and in a sanitized build; the counts are of all of these",
        "together. `tests/run --full` does some with larger amounts.",
        "",
        "| | invariant | shown by | tests | runs that passed | among them |",
        "|-:|---|---|-:|-:|---|",
        *(row(number, text, patterns, passed) for number, (text, patterns) in enumerate(INVARIANTS, 1)),
    ]
    PAGE.write_text("\n".join(lines) + "\n")
    return f"{PAGE.relative_to(ROOT)}: {len(passed)} runs of tests"
