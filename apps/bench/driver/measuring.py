"""Takes one sample: a fresh server on its core, the load generator on others, and what the kernel says of both.

A sample during which something else used these cores says little; it is recognised by what the scheduler counts: how
long the two had to wait for a core that was busy, what the cores did beyond their work, and how fast they were."""

import json
import os
import re
import select
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import candidates
import workloads
from noise import merge, percentile
from pace import MOST_SLOWED, Pace

PATIENCE = 30  # seconds for a server or a load to say something
SETTLING = 0.3  # seconds after which an idle server is taken to be idle
TICK = 1 / os.sysconf("SC_CLK_TCK")

# Above these shares of the measured time a sample is contaminated.
MOST_WAITED = 0.03
MOST_FOREIGN = 0.10
MOST_STOLEN = 0.01
WAKING = 5e-6  # seconds that a thread may wait for its core each time it is woken, with nothing else running


class Failed(Exception):
    """A server or the load generator; the text is its last complaint."""


@dataclass(frozen=True)
class Settings:
    programs: Path
    server_core: int
    load_cores: tuple
    seconds: float
    warmup: float
    sleep: bool  # the load generator sleeps when it has nothing to do
    pace: Pace = None  # to know whether the cores are slow, which memory does not depend on


class Process:
    """A child on certain cores, which prints lines and is ended at the end of a `with`."""

    def __init__(self, command, cores):
        self.errors = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            bufsize=0,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        self.name = Path(command[0]).name

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.child.terminate()
        try:
            self.child.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        for stream in (self.child.stdin, self.child.stdout, self.errors):
            stream.close()

    def complaint(self):
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"{self.name} ended with status {self.child.poll()}"

    def read_line(self, patience=PATIENCE):
        line = b""
        deadline = time.monotonic() + patience
        while not line.endswith(b"\n"):
            if not select.select([self.child.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failed(f"{self.name} said nothing in {patience:.0f} s")
            part = os.read(self.child.stdout.fileno(), 1 << 16)
            if not part:
                self.child.wait()
                raise Failed(self.complaint())
            line += part
        return line.decode()

    def write_line(self, line):
        try:
            self.child.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            self.child.wait()
            raise Failed(self.complaint()) from None

    def read_listening(self):
        """The port, and what the program has to say of itself."""
        match = re.match(r"listening (\d+) ?(.*)", self.read_line())
        if match is None:
            raise Failed(f"{self.name} does not say where it listens")
        return int(match[1]), match[2].strip()

    def resident_bytes(self):
        pages = Path(f"/proc/{self.child.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def start_server(workload, candidate, settings, *arguments):
    command = candidates.command(candidate, settings.programs, workload.mode)
    command += ["--port", "0", "--size", str(workload.size), *arguments]
    return Process(command, {settings.server_core})


def load_command(workload, settings, connections, *arguments):
    command = [str(settings.programs / "load"), *workload.load, "--connections", str(connections)]
    command += ["--size", str(workload.size), "--warmup", str(settings.warmup), "--seconds", str(settings.seconds)]
    return [*command, *(["--sleep"] if settings.sleep else []), *arguments]


def take_sample(workload, candidate, settings):
    """Returns a dictionary: the backend in the server's words, the values, and what contaminated them. Raises Failed or
    candidates.Absent."""
    if workload.load[0] == "idle":
        return take_idle_sample(workload, candidate, settings)
    decisive = decisive_cores(workload, settings)
    before = settings.pace.wait()
    cores = Cores({settings.server_core, *settings.load_cores})
    if workload.load[0] == "proxy":
        with Process(load_command(workload, settings, workload.connections), set(settings.load_cores)) as load:
            upstream, _ = load.read_listening()
            with start_server(workload, candidate, settings, "--upstream", str(upstream)) as server:
                port, backend = server.read_listening()
                load.write_line(f"{port} {server.child.pid}")
                reports = [read_report(load, settings)]
    else:
        with start_server(workload, candidate, settings) as server:
            port, backend = server.read_listening()
            reports = run_loads(workload, settings, port, server.child.pid)
    machine = cores.since()
    after = settings.pace.slowed()
    slowed = {core: max(before[core], after[core]) for core in after}
    return {
        "backend": backend,
        "engine": reports[0]["engine"],
        "values": values_of(reports),
        "load_slowed": round(max(slowed[core] for core in settings.load_cores), 3),
        "contaminated": contamination(candidate, reports, machine, max(slowed[core] for core in decisive)),
    }


def decisive_cores(workload, settings):
    """Those on whose speed the figure depends by itself."""
    if workload.figure is workloads.CPU:
        return {settings.server_core}
    return {settings.server_core, *settings.load_cores}


def run_loads(workload, settings, port, server):
    """One load generator on each core, which share the connections."""
    count = min(len(settings.load_cores), workload.connections)
    loads = []
    try:
        for index, core in enumerate(settings.load_cores[:count]):
            share = workload.connections // count + (index < workload.connections % count)
            arguments = ["--port", str(port), "--server-pid", str(server), "--source", str(index * 200)]
            loads.append(Process(load_command(workload, settings, share, *arguments), {core}))
        return [read_report(load, settings) for load in loads]
    finally:
        for load in loads:
            load.__exit__()


def read_report(load, settings):
    return json.loads(load.read_line(settings.warmup + settings.seconds + PATIENCE))


def take_idle_sample(workload, candidate, settings):
    with start_server(workload, candidate, settings) as server:
        port, backend = server.read_listening()
        time.sleep(SETTLING)
        before = server.resident_bytes()
        command = load_command(workload, settings, workload.connections, "--port", str(port))
        with Process(command, set(settings.load_cores)) as load:
            load.read_line(2 * PATIENCE)
            time.sleep(SETTLING)
            each = (server.resident_bytes() - before) / workload.connections
            return {"backend": backend, "values": {"bytes_each": each, "resident_before": before}, "contaminated": {}}


def values_of(reports):
    histogram = merge(report["histogram"] for report in reports)
    rate = sum(report["messages"] / report["seconds"] for report in reports)
    busy = reports[0]["server_cpu_ns"] / reports[0]["seconds"] / 1e9
    if rate == 0:
        raise Failed("not one message came back in the measured time")
    values = {
        "rate": rate,
        "bytes_per_second": sum(report["bytes"] / report["seconds"] for report in reports),
        "cpu_ns": busy * 1e9 / rate,
        "server_busy": busy,
        "load_busy": max(report["utilisation"] for report in reports),
        "lost": sum(report["lost"] for report in reports),
    }
    if histogram:
        for name, share in (("p50_ns", 0.5), ("p99_ns", 0.99), ("p999_ns", 0.999)):
            values[name] = percentile(histogram, share)
    return values


class Cores:
    """What certain cores do from now on, by the kernel's ticks."""

    def __init__(self, cores):
        self.cores = cores
        self.began = time.monotonic()
        self.first = self.read()

    def read(self):
        busy = stolen = 0
        for line in Path("/proc/stat").read_text().splitlines():
            name, *fields = line.split()
            if re.fullmatch(r"cpu\d+", name) and int(name[3:]) in self.cores:
                user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
                busy += user + nice + system + irq + softirq
                stolen += steal
        return busy * TICK, stolen * TICK, children_seconds()

    def since(self):
        """Seconds: elapsed, used by others than this program's children, and stolen by other machines."""
        busy, stolen, children = (now - then for now, then in zip(self.read(), self.first))
        return time.monotonic() - self.began, busy - children, stolen


def children_seconds():
    times = os.times()
    return times.children_user + times.children_system


def contamination(candidate, reports, machine, slowed):
    """What was wrong with a sample: reasons and by how much more than is allowed."""
    elapsed, foreign, stolen = machine
    found = {
        "other programs used the cores": foreign / elapsed / MOST_FOREIGN,
        "the machine was not always there": stolen / elapsed / MOST_STOLEN,
        "the cores were slower than they can be": slowed / MOST_SLOWED,
    }
    for report in reports:
        waited = report["load_waited_ns"] / 1e9 - report["load_slices"] * WAKING
        found["the load generator waited for its core"] = waited / report["seconds"] / MOST_WAITED
    if not candidate.threads:
        waited = reports[0]["server_waited_ns"] / 1e9 - reports[0]["server_slices"] * WAKING
        found["the server waited for its core"] = waited / reports[0]["seconds"] / MOST_WAITED
    return {reason: round(excess, 2) for reason, excess in found.items() if excess > 1}
