"""The microbenchmarks: nanoseconds by Google Benchmark, and instructions by callgrind, which knows no noise.

Nanoseconds are those of the machine, so most operations are held against a floor: the shortest code that does the same,
in turns with the operation itself.
"""

import json
import os
import re
import shutil
import subprocess

from noise import median, uncertainty

# Nanoseconds that these are meant to take at most; a million timers are armed.
TARGETS = {
    "await_ready_task": 9,
    "spawn_and_finish": 12,
    "yield": 5,
    "channel_hop": 20,
    "timer_arm_and_cancel": 25,
    "post_from_other_thread": 150,
}
FLOOR = "/floor"
COUNTS = (20_000, 40_000)  # their difference is free of starting and ending the program


class Failed(Exception):
    pass


def measure(program, settings, rounds, result, progress):
    """Fills the result."""
    if not program.exists():
        result["skipped"]["micro"] = "not built: libbenchmark-dev is not installed"
        return
    counts_instructions = shutil.which("valgrind") is not None
    if not counts_instructions:
        result["skipped"]["instruction counts"] = "valgrind is not installed"
    kinds = dict(line.split() for line in run([str(program), "--list"]).splitlines())
    for name, threads in kinds.items():
        if name.endswith(FLOOR):
            continue
        one_thread = threads == "one-thread"
        progress(f"micro: {name}")
        # A second thread needs a core of its own, and there the time that counts is that of the clock.
        cores = {settings.server_core} if one_thread else {settings.server_core, *settings.load_cores}
        times = benchmark(program, name, cores, rounds, settings.seconds, "cpu_time" if one_thread else "real_time")
        values = {"ns": median(times[name]), "ns_uncertainty": uncertainty(times[name])}
        if least := times.get(name + FLOOR):
            values["floor_ns"] = median(least)
            values["floor_ns_uncertainty"] = uncertainty(least)
        if one_thread and counts_instructions:
            few, many = (instructions(program, name, count) for count in COUNTS)
            values["instructions"] = (many - few) / (COUNTS[1] - COUNTS[0])
            # Where the heap puts things is all that differs between two runs.
            values["instructions_uncertainty"] = 0.001 * values["instructions"]
        result["micro"][name] = values


def benchmark(program, name, cores, rounds, seconds, which):
    """The nanoseconds of each repetition, of the operation and of its floor."""
    output = run(
        [
            str(program),
            f"--benchmark_filter=^{name}({FLOOR})?$",
            f"--benchmark_repetitions={rounds}",
            "--benchmark_enable_random_interleaving=true",
            f"--benchmark_min_time={seconds / 4}",
            "--benchmark_format=json",
        ],
        cores,
    )
    times = {}
    for entry in json.loads(output)["benchmarks"]:
        if entry["run_type"] == "iteration":
            times.setdefault(entry["run_name"], []).append(entry[which])
    return times


def instructions(program, name, count):
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    said = run([*tool, str(program), "--once", name, str(count)], errors=subprocess.STDOUT)
    if match := re.search(r"Collected *: *(\d+)", said):
        return int(match[1])
    raise Failed(f"callgrind counted nothing for {name}")


def run(command, cores=None, errors=subprocess.DEVNULL):
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with status {done.returncode}")
    return done.stdout
