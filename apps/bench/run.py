#!/usr/bin/env python3
"""apps/run bench: measures sennit, what it competes with, and what the kernel allows. See `apps/run bench --help`."""

import argparse
import datetime
import difflib
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parents[1]
sys.path[:0] = [str(BENCH / "driver"), str(ROOT / "tests" / "support")]

import candidates  # noqa: E402
import compiling  # noqa: E402
import machine  # noqa: E402
import measuring  # noqa: E402
import micro  # noqa: E402
import pace  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import workloads  # noqa: E402
from building import BUILD_ROOT, BuildDirectory, BuildFailed  # noqa: E402
from progress import Progress  # noqa: E402

FORMAT = 1
ATTEMPTS = 3  # at a sample, until one is not contaminated
DESCRIPTORS = 256  # that a server needs beside its connections
BUILD = BuildDirectory(
    "bench",
    ["-Dbuildtype=release", "-Dbench=enabled", "-Dapps=disabled", "-Dtests=disabled", "-Dio_uring=enabled"],
)
OTHERS = {"micro": "microbenchmarks of sennit, with instruction counts", "compile": "compile time and object size"}


def read_arguments():
    listing = [f"  {workload.name:11} {workload.title}" for workload in workloads.WORKLOADS]
    listing += [f"  {name:11} {title}" for name, title in OTHERS.items()]
    listing += ["", "candidates:"]
    listing += [f"  {candidate.name:15} {candidate.title}" for candidate in candidates.CANDIDATES]
    parser = argparse.ArgumentParser(
        prog="apps/run bench",
        description="Measures; all workloads when none is named. Leave the machine alone meanwhile.",
        epilog="workloads:\n" + "\n".join(listing),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cores = sorted(os.sched_getaffinity(0))
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", type=name_of_workload)
    parser.add_argument("--candidates", type=names_of_candidates, metavar="NAME,...", help="only these")
    parser.add_argument("--rounds", type=at_least(1), default=7, help="samples of each candidate (7)")
    parser.add_argument("--seconds", type=positive, default=1.0, help="of a sample (1)")
    parser.add_argument("--warmup", type=positive, default=0.3, help="seconds before a sample (0.3)")
    parser.add_argument("--server-core", type=int, default=cores[0], metavar="N")
    parser.add_argument(
        "--load-cores", type=list_of_numbers, default=(cores[-1],), metavar="N,...", help="more than one share the load"
    )
    parser.add_argument("--sleep", action="store_true", help="let the load generator sleep; servers pay for waking it")
    parser.add_argument("--json", action="store_true", help="print the result as JSON instead of tables")
    parser.add_argument(
        "--output",
        type=Path,
        default=BUILD_ROOT / "bench-results",
        metavar="DIR",
        help="for result.json, report.md and plot.svg (build/bench-results)",
    )
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="show what changed since that result")
    parser.add_argument("--from", type=Path, dest="stored", metavar="RESULT.json", help="measure nothing, show this")
    parser.add_argument("--programs", type=Path, metavar="DIR", help="build nothing, take the programs from here")
    options = parser.parse_args()
    if options.server_core in options.load_cores:
        print("the server and the load share a core: what is measured says little", file=sys.stderr)
    return options


def name_of_workload(text):
    known = [*(workload.name for workload in workloads.WORKLOADS), *OTHERS]
    if text not in known:
        similar = difflib.get_close_matches(text, known, n=1)
        hint = f"did you mean {similar[0]}?" if similar else f"there are {', '.join(known)}"
        raise argparse.ArgumentTypeError(f"there is no workload {text}; {hint}")
    return text


def at_least(least):
    def parse(text):
        if int(text) < least:
            raise ValueError
        return int(text)

    parse.__name__ = "number"
    return parse


def positive(text):
    if not float(text) > 0:
        raise ValueError
    return float(text)


def list_of_numbers(text):
    return tuple(int(part) for part in text.split(","))


def names_of_candidates(text):
    known = {candidate.name: candidate for candidate in candidates.CANDIDATES}
    names = text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"no such candidate: {', '.join(unknown)}")
    return [known[name] for name in known if name in names]


def programs_of(options):
    if options.programs:
        return options.programs
    machine.ensure(machine.compiler_needs() + machine.TOOLS + machine.LIBRARY_NEEDS)
    programs = BUILD.path / "apps" / "bench"
    if any(installed_since_configured(candidate.package) for candidate in missing_in(programs)):
        shutil.rmtree(BUILD.path)
    BUILD.build()
    return programs


def missing_in(programs):
    compiled = [candidate for candidate in candidates.CANDIDATES if not candidate.program.endswith(".py")]
    return [candidate for candidate in compiled if not (programs / candidate.program).exists()]


def installed_since_configured(package):
    """Meson does not look again for what it has not found."""
    configured = BUILD.path / "build.ninja"
    if not package or not configured.exists():
        return False
    lists = Path("/var/lib/dpkg/info").glob(f"{package}*.list")
    return any(path.stat().st_mtime > configured.stat().st_mtime for path in lists)


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def describe(options):
    """What a result was measured on and with."""
    return {
        "format": FORMAT,
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": commit(),
        "kernel": platform.release(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "compiler": first_line([*BUILD.compiler.split(), "--version"]),
        "settings": {
            "rounds": options.rounds,
            "seconds": options.seconds,
            "warmup": options.warmup,
            "server_core": options.server_core,
            "load_cores": list(options.load_cores),
            "sleep": options.sleep,
        },
        "backends": {},
        "engines": {},
        "skipped": {},
        "samples": [],
        "micro": {},
        "compile": {},
    }


def first_line(command):
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return done.stdout.splitlines()[0] if done.stdout else "unknown"


def commit():
    here = ["git", "-C", str(ROOT)]
    try:
        return first_line([*here, "describe", "--always", "--dirty", "--abbrev=10"])
    except FileNotFoundError:
        return "unknown"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def take_part(workload, chosen, settings, result, limit):
    """The candidates that a workload can be measured with; why not goes to the result."""
    if workload.connections + DESCRIPTORS > limit:
        result["skipped"][workload.title] = f"{limit} descriptors are allowed (ulimit -n)"
        return []
    found = []
    for candidate in chosen:
        if workload.mode in candidate.without:
            continue
        try:
            candidates.command(candidate, settings.programs, workload.mode)
            found.append(candidate)
        except candidates.Absent as reason:
            result["skipped"][candidate.title] = str(reason)
    return found


def measure_workload(workload, taking_part, settings, rounds, result, progress):
    taking_part = list(taking_part)
    for number in range(rounds):
        # Each round begins with another, so that none always comes after the same one.
        turn = number % max(1, len(taking_part))
        for candidate in [*taking_part[turn:], *taking_part[:turn]]:
            progress(f"{workload.name}, round {number + 1} of {rounds}: {candidate.title}")
            try:
                sample = best_sample(workload, candidate, settings)
            except (measuring.Failed, candidates.Absent) as failure:
                result["skipped"][f"{candidate.title}, {workload.name}"] = str(failure)
                progress.say(f"{candidate.title} left out of {workload.name}: {failure}")
                taking_part.remove(candidate)
                continue
            finally:
                progress.step()
            result["backends"][candidate.name] = sample.pop("backend")
            if engine := sample.pop("engine", None):
                result["engines"][workload.name] = engine
            result["samples"].append(
                {"workload": workload.name, "candidate": candidate.name, "round": number, **sample}
            )


def best_sample(workload, candidate, settings):
    """The first that is not contaminated; otherwise the one that is least."""
    tried = []
    for attempt in range(1, ATTEMPTS + 1):
        sample = measuring.take_sample(workload, candidate, settings)
        sample["attempts"] = attempt
        tried.append(sample)
        if not sample["contaminated"]:
            break
    return min(tried, key=lambda sample: sum(sample["contaminated"].values()))


def measure(options):
    programs = programs_of(options)
    limit = raise_descriptor_limit()
    result = describe(options)
    keep_off(options.server_core)
    cores = {options.server_core, *options.load_cores}
    settings = measuring.Settings(
        programs,
        options.server_core,
        options.load_cores,
        options.seconds,
        options.warmup,
        options.sleep,
        pace.Pace(programs / "pace", cores),
    )
    wanted = options.workloads or [*(workload.name for workload in workloads.WORKLOADS), *OTHERS]
    plan = []
    chosen = options.candidates or candidates.CANDIDATES
    for workload in workloads.WORKLOADS:
        if workload.name in wanted:
            plan.append((workload, take_part(workload, chosen, settings, result, limit)))
    for what, reason in result["skipped"].items():
        print(f"skipped: {what}: {reason}", file=sys.stderr)

    progress = Progress(options.rounds * sum(len(taking_part) for _, taking_part in plan))
    try:
        for workload, taking_part in plan:
            measure_workload(workload, taking_part, settings, options.rounds, result, progress)
        if "micro" in wanted:
            result["micro"], skipped = micro.measure(programs / "micro_bench", settings, options.rounds, progress)
            result["skipped"].update(skipped)
        if "compile" in wanted:
            result["compile"], skipped = compiling.measure(BUILD.compiler, options.rounds, progress)
            result["skipped"].update(skipped)
    finally:
        progress.clear()
    return result


def keep_off(core):
    """This program itself does not disturb the server, where there is another core."""
    others = os.sched_getaffinity(0) - {core}
    if others:
        os.sched_setaffinity(0, others)


def store(result, directory):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    (directory / "report.md").write_text(report.whole(result))
    (directory / "plot.svg").write_text(plot.svg(result) + "\n")


def load(path):
    result = json.loads(path.read_text())
    if result.get("format") != FORMAT:
        raise ValueError(f"{path} is not a result of this program, or one of another version")
    return result


def main():
    options = read_arguments()
    try:
        old = load(options.compare) if options.compare else None
        result = load(options.stored) if options.stored else measure(options)
    except (machine.Missing, BuildFailed, micro.Failed, OSError, ValueError) as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if not options.stored:
        store(result, options.output)
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print(report.whole(result))
    if old is not None:
        print(report.comparison(old, result), file=sys.stderr if options.json else sys.stdout)
    if not options.stored:
        print(f"written to {options.output}: result.json, report.md, plot.svg", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
