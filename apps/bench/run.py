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
import document  # noqa: E402
import interruption  # noqa: E402
import machine  # noqa: E402
import measuring  # noqa: E402
import micro  # noqa: E402
import pace  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import rounds  # noqa: E402
import workloads  # noqa: E402
from building import BUILD_ROOT, BuildDirectory, BuildFailed  # noqa: E402
from progress import Progress  # noqa: E402

FORMAT = 1
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
    cores = available_cores()
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", type=name_of_workload)
    parser.add_argument("--candidates", type=names_of_candidates, metavar="NAME,...", help="only these")
    parser.add_argument("--rounds", type=at_least(1), default=7, help="samples of each candidate (7)")
    parser.add_argument("--seconds", type=positive, default=1.0, help="of a sample (1)")
    parser.add_argument("--warmup", type=positive, default=0.3, help="seconds before a sample (0.3)")
    parser.add_argument("--server-core", type=core, default=cores[0], metavar="N")
    parser.add_argument(
        "--load-cores", type=list_of_cores, default=(cores[-1],), metavar="N,...", help="more than one share the load"
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
    parser.add_argument("--compare", type=stored_result, metavar="OLD.json", help="show what changed since that result")
    parser.add_argument(
        "--from", type=stored_result, dest="stored", metavar="RESULT.json", help="measure nothing, show this"
    )
    parser.add_argument(
        "--document",
        type=stored_result,
        nargs="+",
        metavar="RESULT.json",
        help="measure nothing, write docs/performance.md and the table of README.md from these",
    )
    parser.add_argument("--programs", type=Path, metavar="DIR", help="build nothing, take the programs from here")
    options = parser.parse_args()
    if options.server_core in options.load_cores:
        print("the server and the load share a core: what is measured says little", file=sys.stderr)
    return options


def name_of_workload(text):
    return known_name("workload", text, [*(workload.name for workload in workloads.WORKLOADS), *OTHERS])


def known_name(kind, text, known):
    if text not in known:
        similar = difflib.get_close_matches(text, known, n=1)
        hint = f"did you mean {similar[0]}?" if similar else f"there are {', '.join(known)}"
        raise argparse.ArgumentTypeError(f"there is no {kind} {text}; {hint}")
    return text


def names_of_candidates(text):
    known = {candidate.name: candidate for candidate in candidates.CANDIDATES}
    names = [known_name("candidate", name, list(known)) for name in text.split(",")]
    return [known[name] for name in known if name in names]


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


def available_cores():
    return sorted(os.sched_getaffinity(0))


def core(text):
    if int(text) not in available_cores():
        raise argparse.ArgumentTypeError(f"there is no core {text}; there are {', '.join(map(str, available_cores()))}")
    return int(text)


def list_of_cores(text):
    return tuple(core(part) for part in text.split(","))


def stored_result(text):
    try:
        result = json.loads(Path(text).read_text())
    except OSError as failure:
        raise argparse.ArgumentTypeError(f"{text}: {failure.strerror}") from None
    except ValueError:
        result = None
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise argparse.ArgumentTypeError(f"{text} is not a result of this program, or one of another version")
    return result


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


def measure(options, programs, result):
    """Fills the result as it goes, so that it holds what there is when this is interrupted."""
    limit = raise_descriptor_limit()
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
            plan.append((workload, rounds.take_part(workload, chosen, settings, result, limit)))
    for what, reason in result["skipped"].items():
        print(f"skipped: {what}: {reason}", file=sys.stderr)

    progress = Progress(options.rounds * sum(len(taking_part) for _, taking_part in plan))
    try:
        for workload, taking_part in plan:
            rounds.measure_workload(workload, taking_part, settings, options.rounds, result, progress)
        if "micro" in wanted:
            micro.measure(programs / "micro_bench", settings, options.rounds, result, progress)
        if "compile" in wanted:
            compiling.measure(BUILD.compiler, options.rounds, result, progress)
    finally:
        progress.clear()


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


def show(result, options):
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print(report.whole(result))
    if options.compare is not None:
        print(report.comparison(options.compare, result), file=sys.stderr if options.json else sys.stdout)


def measure_and_show(options):
    """Returns the exit status."""
    programs = programs_of(options)
    result = describe(options)
    status = 0
    try:
        measure(options, programs, result)
    except interruption.Interrupted as interrupted:
        status = interrupted.status
        result["interrupted"] = interrupted.name
        if not (result["samples"] or result["micro"] or result["compile"]):
            print(f"{interrupted.name} before anything was measured", file=sys.stderr)
            return status
    store(result, options.output)
    show(result, options)
    print(f"written to {options.output}: result.json, report.md, plot.svg", file=sys.stderr)
    return status


def main():
    options = read_arguments()
    interruption.catch()
    try:
        if options.document:
            document.write(options.document, ROOT)
            return 0
        if options.stored:
            show(options.stored, options)
            return 0
        return measure_and_show(options)
    except (machine.Missing, BuildFailed, micro.Failed, document.Incomplete, OSError) as failure:
        print(failure, file=sys.stderr)
        return 1
    except interruption.Interrupted as interrupted:
        return interrupted.status


if __name__ == "__main__":
    sys.exit(main())
