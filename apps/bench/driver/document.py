"""docs/performance.md and the table of the README, written from stored results. Nothing in them is typed by hand; what
is to say about the figures stands in docs/performance-notes.md."""

import re
from dataclasses import dataclass

import candidates
import compiling
import micro
import report
import workloads
from summary import Value, measured_workloads, rate_ratio, rows

BEGIN, END = "<!-- performance: begin -->", "<!-- performance: end -->"
HEAD = """\
<!-- Written by `apps/run bench --document RESULT.json...`; what is to be said by hand is in performance-notes.md. -->

# Performance

What is not reached, and why, stands in [performance-notes.md](performance-notes.md).
"""
SUMMARY = ("echo-64", "echo-1000", "echo-16k", "echo-deep", "churn", "udp", "echo-1", "idle")
COMPARED = {"io_uring": ("sennit-uring", "asio-uring"), "epoll": ("sennit-epoll", "asio-epoll")}
METHOD = """\
The figure is the CPU time that the scheduler counts for the server, for each message: rates depend on who waits for
whom, what a server costs does so much less. Each sample has a fresh server on a core of its own and the load generator
on another. Candidates take turns in rounds, and a ratio is the median of the ratios between samples of the same round,
since a machine that is slow for a minute is slow for all. The raw programs are hand-written C, and a ratio is to the
better one on the same backend. Samples during which something else used the cores, or the server's was slow, are
repeated, and a ratio is of samples whose load generators were equally fast; one of fewer clean pairs than it needs is
marked with ? and decides nothing. [The benchmark suite](../apps/bench/README.md) tells more, and `apps/run bench`
measures it all again."""
SUMMARY_REMARK = """Server CPU time in us for a message or connection (lower is better), and in brackets the ratio to raw C on the same
backend; with ? where too few samples were clean to decide it."""


class Incomplete(Exception):
    """A document has no place for what is written."""


@dataclass(frozen=True)
class Results:
    """Several, measured one after the other. Samples of a workload are pooled; of the other tables the last is shown."""

    all: list

    def pooled(self):
        """The samples of all, with rounds that are counted on from one to the next."""
        samples, before = [], 0
        for result in self.all:
            samples += [{**sample, "round": before + sample["round"]} for sample in result["samples"]]
            before += 1 + max((sample["round"] for sample in result["samples"]), default=0)
        return {"samples": samples}

    def with_table(self, key):
        having = [result for result in self.all if result[key]]
        return having[-1] if having else None

    def rows(self, workload):
        return {row.candidate: row for row in rows(self.pooled(), workload)}

    def rate_ratio(self, workload, race):
        return rate_ratio(self.pooled(), workload, race)

    def workloads(self):
        return measured_workloads(self.pooled())

    def used(self):
        """Those of which something is shown, and what."""
        for result in self.all:
            names = [workload.name for workload in measured_workloads(result)]
            names += [key for key in ("micro", "compile") if self.with_table(key) is result]
            if names:
                yield result, names


def write(stored, root):
    """Raises Incomplete, or OSError."""
    results = Results(stored)
    short = f"{BEGIN}\n{summary(results)}\n{END}"
    readme = root / "README.md"
    changed, places = re.subn(f"{BEGIN}.*?{END}", lambda _: short, readme.read_text(), flags=re.DOTALL)
    if places != 1:
        raise Incomplete(f"README.md needs one place between {BEGIN} and {END}")
    (root / "docs" / "performance.md").write_text(whole(results, short))
    readme.write_text(changed)


def whole(results, short):
    parts = [HEAD.rstrip(), short, "## Targets", targets(results), "## Method", METHOD, conditions(results)]
    pooled = results.pooled()
    for workload in results.workloads():
        parts += [f"## {workload.title}", report.workload_table(pooled, workload), *report.remarks(pooled, workload)]
    if result := results.with_table("micro"):
        parts += ["## Microbenchmarks", report.micro_table(result)]
    if result := results.with_table("compile"):
        parts += ["## Compile time and object size", report.compile_table(result), report.COMPILE_REMARK]
    return "\n\n".join(parts) + "\n"


def summary(results):
    header = [""]
    for backend, (ours, theirs) in COMPARED.items():
        header += [f"raw C on {backend}", candidates.named(ours).title, candidates.named(theirs).title]
    lines = []
    for workload in map(workloads.named, SUMMARY):
        if workload not in results.workloads():
            continue
        other_figure = workload.figure is not workloads.CPU
        title = f"{workload.title}, {workload.figure.unit} of memory each" if other_figure else workload.title
        lines.append([title, *(cell for backend in COMPARED for cell in summary_of(results, workload, backend))])
    return f"{SUMMARY_REMARK}\n\n{report.table(header, lines)}" if lines else "Not measured."


def summary_of(results, workload, backend):
    measured = results.rows(workload)
    raw = [measured[name].figure.median for name in candidates.RAW[backend] if name in measured]
    cells = [report.plain(min(raw)) if raw else "-"]
    for name in COMPARED[backend]:
        row = measured.get(subject(workload, name))
        cells.append("-" if row is None else with_ratio(row))
    return cells


def subject(workload, name):
    """Where the target is that of another program of sennit, that one stands for it."""
    if workload.target and candidates.named(name).program == "sennit_echo":
        for candidate in map(candidates.named, workload.target.candidates):
            if candidate.backend == candidates.named(name).backend:
                return candidate.name
    return name


def with_ratio(row):
    figure = report.plain(row.figure.median)
    if row.to_raw is None:
        return figure
    return f"{figure} ({row.to_raw.median:.2f}{'' if row.to_raw.decided else '?'})"


def targets(results):
    lines = []
    for workload in results.workloads():
        target = workload.target
        for name in target.candidates if target else ():
            if row := results.rows(workload).get(name):
                value = row.to_raw if target.relative else row.figure
                shown = report.ratio(value) if target.relative else f"{report.with_noise(value)} {workload.figure.unit}"
                most = f"{target.most:.2f}" if target.relative else f"{target.most} {workload.figure.unit}"
                met = verdict(value, target.most)
                lines.append([workload.title, candidates.named(name).title, shown, f"at most {most}", met])
        for race in workload.races:
            if value := results.rate_ratio(workload, race):
                title = f"{workload.title}: messages a second, to {candidates.named(race.theirs).title}"
                met = verdict(value, race.least, at_least=True)
                ours = candidates.named(race.ours).title
                lines.append([title, ours, report.ratio(value), f"at least {race.least:.2f}", met])
    if result := results.with_table("micro"):
        for name, most in micro.TARGETS.items():
            if values := result["micro"].get(name):
                value = Value(values["ns"], values["ns_uncertainty"])
                shown, met = f"{report.with_noise(value)} ns", verdict(value, most)
                if floor := values.get("floor_ns"):
                    shown += f", {value.median / floor:.2f} of its floor"
                    met += "; the floor alone is more" if floor > most else ""
                lines.append([name.replace("_", " "), "sennit", shown, f"at most {most} ns", met])
    if result := results.with_table("compile"):
        ours, theirs, most = compiling.TARGET
        if ours in result["compile"] and theirs in result["compile"]:
            value = compiling.ratio(result["compile"][ours], result["compile"][theirs])
            title = f"compile time of {ours} to {theirs}"
            lines.append([title, "sennit", report.ratio(value), f"at most {most:.2f}", verdict(value, most)])
    return report.table(["what", "candidate", "measured", "target", "met"], lines, left=2)


def verdict(value, bound, at_least=False):
    if value is None or not value.decided:
        return "undecided"
    close = abs(value.median - bound) < (value.uncertainty or 0)
    met = value.median >= bound if at_least else value.median <= bound
    return f"{'yes' if met else 'no'}{', by less than the noise' if close else ''}"


def conditions(results):
    lines, machines, backends, skipped = [], [], [], []
    for result, names in results.used():
        settings = result["settings"]
        lines.append(
            [", ".join(names), result["date"], result["commit"], str(settings["rounds"]), str(settings["seconds"])]
        )
        machines.append(report.machine(result))
        backends += report.backends(result)
        skipped += [f"- skipped: {what}: {reason}" for what, reason in result["skipped"].items()]
    header = ["measured", "when", "commit", "rounds", "seconds of a sample"]
    bullets = "\n".join(dict.fromkeys([*machines, *backends, *skipped]))
    return f"{bullets}\n\n{report.table(header, lines, left=3)}"
