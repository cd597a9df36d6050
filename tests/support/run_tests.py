"""The work of tests/run."""

import argparse
import concurrent.futures
import os
import shutil
import signal
import subprocess
import sys
import time

import fuzzing
import invariants
import machine
import results
import soaking
import suites
from building import BuildFailed

DESCRIPTION = """\
Installs what is missing, builds and runs the tests, and closes with the numbers of those that passed, failed and
were skipped. A suite that was good and whose files have not changed since is not run again."""
NAMES = """\
part of the name of a suite, as in `net` or `embed`, or of a test, as in `TcpStream`; only what matches is run"""
FUZZING = "has the swarm run fresh seeds, then libFuzzer new inputs for the parsers, each for so long"
WORKERS = 3  # on two cores: many tests wait more than they compute
SKIPPED_NAMES = 4  # that are listed for one reason


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/run", description=DESCRIPTION)
    parser.add_argument("names", nargs="*", metavar="NAME", help=NAMES)
    parser.add_argument("--full", action="store_true", help="adds TSan, clang, valgrind, and a build without liburing")
    parser.add_argument("--soak", type=int, metavar="SECONDS", help="adds mixed work for so long on each backend")
    parser.add_argument("--again", action="store_true", help="runs also what has not changed")
    parser.add_argument("--fuzz", type=int, metavar="SECONDS", help=FUZZING)
    parser.add_argument("--seed", type=int, help="has the swarm run this seed alone, and tells what happened")
    parser.add_argument("--invariants", action="store_true", help="writes docs/invariants.md from the last run")
    parser.add_argument("--list", action="store_true", help="names the suites and stops")
    return parser.parse_args()


def find_clang(may_install):
    """The newest clang that the project supports, or None."""
    names = [f"clang++-{version}" for version in range(22, 15, -1)]
    for name in names:
        if shutil.which(name):
            return name
    if shutil.which("clang++"):
        version = subprocess.run(["clang++", "-dumpversion"], capture_output=True, text=True).stdout
        if version.split(".")[0].isdigit() and int(version.split(".")[0]) >= 16:
            return "clang++"
    if may_install:
        try:
            machine.ensure([machine.Program("clang++-16", "clang-16")])
            return "clang++-16"
        except machine.Missing as missing:
            print(missing)
    return None


def prepare_full():
    """Returns the clang to use. What --full would like and cannot have is said and left out."""
    try:
        machine.ensure([machine.Program("valgrind", "valgrind")])
    except machine.Missing as missing:
        print(f"no run under valgrind: {missing}")
    clang = find_clang(may_install=True)
    if clang is None:
        print("no run with clang: there is none of version 16 or newer")
    return clang


class Run:
    """Suites that have been chosen, and what they came to."""

    def __init__(self, again):
        self.again = again
        self.passed = 0
        self.failed = []
        self.skipped = {}  # (suite, reason) -> names
        self.width = 0

    def note(self, suite, result, remark):
        self.passed += result.passed
        self.failed += [f"{suite.name}: {name}" for name in result.failed]
        for name, reason in result.skipped:
            self.skipped.setdefault((suite.name, reason), []).append(name)
        counts = f"{result.passed} passed"
        if result.failed:
            counts += f", {len(result.failed)} failed"
        if result.skipped:
            counts += f", {len(result.skipped)} skipped"
        print(f"{suite.name:{self.width}}  {counts}  {remark}", flush=True)
        if result.failed:
            for name in result.failed:
                print(f"  failed: {name}")
            print(f"{result.complaint.rstrip()}\n  the whole log: {suite.log}", flush=True)

    def build(self, chosen):
        """Builds what the suites need; returns the suites whose build there is."""
        wanted = {}
        for suite in chosen:
            if suite.build is not None:
                wanted.setdefault(suite.build, []).extend(suite.targets)
        broken = set()
        for build, targets in wanted.items():
            try:
                build.build(sorted(set(targets)))
            except BuildFailed as failure:
                broken.add(build)
                self.failed.append(f"build/{build.name} (everything that needs it was not run)")
                print(f"build/{build.name}: failed\n{failure}", flush=True)
        return [suite for suite in chosen if suite.build not in broken]

    def run(self, chosen):
        """`chosen` has pairs of a suite and the parts of test names that restrict it."""
        self.width = max(len(suite.name) for suite, _ in chosen)
        to_run = []
        for suite, parts in chosen:
            known = None if parts or self.again else suite.known_green()
            if known is not None:
                self.note(suite, known, "(unchanged)")
            else:
                to_run.append((suite, parts))
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
            running = {workers.submit(suite.run, parts): suite for suite, parts in to_run}
            for done in concurrent.futures.as_completed(running):
                result, seconds = done.result()
                self.note(running[done], result, f"in {seconds:.1f} s")

    def report(self, started):
        for (suite, reason), names in sorted(self.skipped.items()):
            print(f"skipped in {suite}: {reason}")
            some = ", ".join(sorted(names)[:SKIPPED_NAMES])
            print(f"  {some}" if len(names) <= SKIPPED_NAMES else f"  {len(names)} tests: {some}, ...")
        if self.failed:
            print("failed:")
            for name in self.failed:
                print(f"  {name}")
        print(f"took {time.monotonic() - started:.0f} s")
        skipped = sum(map(len, self.skipped.values()))
        print(f"{self.passed} passed, {len(self.failed)} failed, {skipped} skipped")


def fuzz(seconds):
    """Runs the swarm with seeds that no one has seen, and libFuzzer."""
    first_seed = int.from_bytes(os.urandom(6), "big")
    print(f"the first seed is {first_seed}", flush=True)
    run = Run(again=True)
    started = time.monotonic()
    swarms = suites.fuzzing_swarms(first_seed, seconds)
    chosen = run.build(swarms + fuzzing.fuzzers(seconds, find_clang(may_install=True)))
    run.run([(suite, ()) for suite in chosen])
    run.report(started)
    for suite in swarms:
        if any(name.startswith(f"{suite.name}: ") for name in run.failed):
            print(results.replay_line(suite.log.read_text(errors="replace")) or f"{suite.name} ran no seed")
    return 1 if run.failed else 0


def replay(seed):
    """Runs one seed of the swarm and prints what happened."""
    run = Run(again=True)
    chosen = run.build(suites.swarms())
    for suite in chosen:
        suite.variables = {"SENNIT_SWARM_SEED": str(seed)}
        suite.filter = "*Swarm*.RandomPrograms*"
    run.run([(suite, ()) for suite in chosen])
    if not run.failed:
        print(chosen[-1].log.read_text(errors="replace"))
    return 1 if run.failed else 0


def write_invariants():
    try:
        print(invariants.write_page())
    except invariants.NotShown as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


def restrict(candidates, names):
    """Splits the suites in those that match by their own name, and the rest with the names left for their tests."""
    by_name = [suite for suite in candidates if any(name in suite.name for name in names)]
    left = [name for name in names if not any(name in suite.name for suite in candidates)]
    others = [suite for suite in candidates if left and suite not in by_name]
    return by_name, others, left


def main():
    arguments = parse_arguments()
    # A shell has its background jobs ignore SIGINT, and what is tested would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    if arguments.list:
        clang = find_clang(may_install=False) if arguments.full else None
        candidates = suites.usual_suites() + (suites.full_suites(clang) if arguments.full else [])
        print("\n".join(suite.name for suite in candidates))
        return 0
    if arguments.invariants:
        return write_invariants()
    try:
        needs = machine.LIBRARY_NEEDS + machine.APP_NEEDS + machine.TEST_NEEDS
        machine.ensure(machine.compiler_needs() + machine.TOOLS + needs)
    except machine.Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    if arguments.fuzz is not None:
        return fuzz(arguments.fuzz)
    if arguments.seed is not None:
        return replay(arguments.seed)
    candidates = suites.usual_suites()
    if arguments.full:
        candidates += suites.full_suites(prepare_full())
    if arguments.soak:
        candidates += soaking.soaks(arguments.soak)

    run = Run(arguments.again)
    if arguments.names:
        by_name, others, parts = restrict(candidates, arguments.names)
        chosen = [(suite, ()) for suite in run.build(by_name)]
        chosen += [(suite, parts) for suite in run.build(others) if suite.names(parts)]
    else:
        chosen = [(suite, ()) for suite in run.build(candidates)]
    if chosen:
        run.run(chosen)
    elif not run.failed:
        print(f"nothing matches {' '.join(arguments.names)}; tests/run --list names the suites", file=sys.stderr)
        return 2
    run.report(started)
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
