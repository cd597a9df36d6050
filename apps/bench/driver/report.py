"""The result as text: Markdown tables that also read well on a terminal."""

import candidates
from summary import LEAST_PAIRS, Value, changes, measured_workloads, rows

MICRO_REMARK = (
    "A floor is the shortest code that does the same, without cancellation, reports, ownership or errors, measured in turns "
    "with the operation."
)
COMPILE_REMARK = "sennit is a library beside the program; Asio is all in its headers, hence in the object."


def table(header, lines, left=1):
    """A Markdown table with aligned columns; the first `left` of them to the left."""
    cells = [header, *lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]

    def row(line):
        parts = (
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths))
        )
        return "| " + " | ".join(parts) + " |"

    rule = (
        "-" * (width + 2) if column < left else "-" * (width + 1) + ":" for column, width in enumerate(widths)
    )
    return "\n".join([row(header), "|" + "|".join(rule) + "|", *map(row, lines)])


def plain(number):
    """Three significant digits."""
    if number == 0:
        return "0"
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"


def with_noise(value):
    if value is None:
        return "-"
    if value.uncertainty is None:
        return plain(value.median)
    return f"{plain(value.median)} ±{plain(value.uncertainty)}"


def ratio(value):
    """Two digits behind the point."""
    if value is None:
        return "-"
    noise = "" if value.uncertainty is None else f" ±{value.uncertainty:.2f}"
    return f"{value.median:.2f}{noise}{'' if value.decided else ' ?'}"


def percent(share):
    return f"{100 * share:.0f} %"


def workload_table(result, workload):
    figure = workload.figure
    timed = figure.key != "bytes_each"
    small = workload.size <= 1024
    header = ["candidate", f"{workload.figure_title()}, {figure.unit}", "to tuned io_uring", "to best raw, same backend"]
    if timed:
        header.append(f"{workload.message}s/s" if small else "MB/s")
        header += ["p50, us", "p99, us", "p99.9, us", "server busy", "load busy"]
    lines = []
    for row in rows(result, workload):
        title = candidates.named(row.candidate).title + (" *" if row.contaminated else "")
        line = [title, with_noise(row.figure), ratio(row.to_limit), ratio(row.to_raw)]
        if timed:
            others = row.others
            line.append(plain(others["rate"]) if small else plain(others["bytes_per_second"] / 1e6))
            line += [plain(others[key] / 1e3) if key in others else "-" for key in ("p50_ns", "p99_ns", "p999_ns")]
            line += [percent(others["server_busy"]), percent(others["load_busy"])]
        lines.append(line)
    return table(header, lines)


def remarks(result, workload):
    """What is wrong with some samples of a workload, one line each."""
    found = [workload.remark] if workload.remark else []
    measured = rows(result, workload)
    reasons = {}
    for sample in result["samples"]:
        if sample["workload"] == workload.name:
            for reason in sample["contaminated"]:
                reasons.setdefault(reason, set()).add(candidates.named(sample["candidate"]).title)
    for reason, titles in reasons.items():
        who = "all" if len(titles) == len(measured) else "; ".join(sorted(titles))
        found.append(f"\\* contaminated, in all attempts at a sample: {reason} ({who})")
    if any(value and not value.decided for row in measured for value in (row.to_limit, row.to_raw)):
        found.append(f"? undecided: fewer than {LEAST_PAIRS} rounds in which both samples were clean")
    limited = [
        candidates.named(row.candidate).title
        for row in measured
        if row.others.get("load_busy", 0) > 0.95 and row.others.get("server_busy", 1) < 0.9
    ]
    if limited:
        found.append(f"the load generator was the limit of the rate (not of the CPU time): {'; '.join(limited)}")
    for row in measured:
        if row.others.get("lost"):
            title = candidates.named(row.candidate).title
            found.append(f"lost datagrams, median of a sample: {title} {row.others['lost']:.0f}")
    return found


def conditions(result):
    settings = result["settings"]
    lines = [
        f"- {result['date']}, sennit {result['commit']}",
        machine(result),
        f"- medians of {settings['rounds']} interleaved rounds of {settings['seconds']} s after {settings['warmup']} s "
        f"of warm-up, and of more while a pair of samples was clean in fewer than {LEAST_PAIRS}; ± is the notch of a box "
        "plot, about 95 % confidence; ratios are medians of ratios within a round",
        f"- load generator: {engines(result)}, {'sleeps when idle' if settings['sleep'] else 'never sleeps'}; "
        "how much of its time it had to do something is in the tables; latencies include its own queue",
    ]
    lines += backends(result)
    if "interrupted" in result:
        lines.append(f"- interrupted ({result['interrupted']}): what had been measured by then")
    lines += [f"- skipped: {what}: {reason}" for what, reason in result["skipped"].items()]
    return "\n".join(lines)


def machine(result):
    settings = result["settings"]
    return (
        f"- Linux {result['kernel']}, {result['processor']}, {result['cores']} cores, {result['compiler']}; "
        f"server on core {settings['server_core']}, load on {', '.join(map(str, settings['load_cores']))}"
    )


def backends(result):
    """What sennit says of those that it ran on."""
    return [
        f"- {candidates.named(name).title}: {said}"
        for name, said in result["backends"].items()
        if candidates.named(name).program == "sennit_echo"
    ]


def engines(result):
    used = {}
    for workload, engine in result["engines"].items():
        used.setdefault(engine, []).append(workload)
    if len(used) < 2:
        return next(iter(used), "none")
    return ", ".join(f"{engine} ({', '.join(names)})" for engine, names in used.items())


def micro_table(result):
    lines = []
    for name, values in result["micro"].items():
        nanoseconds = Value(values["ns"], values["ns_uncertainty"])
        floor, to_floor = "-", "-"
        if "floor_ns" in values:
            floor = with_noise(Value(values["floor_ns"], values["floor_ns_uncertainty"]))
            to_floor = f"{values['ns'] / values['floor_ns']:.2f}"
        instructions = values.get("instructions")
        counted = "-" if instructions is None else f"{instructions:.1f}"
        lines.append([name.replace("_", " "), with_noise(nanoseconds), floor, to_floor, counted])
    header = ["operation", "ns", "floor, ns", "to its floor", "instructions"]
    return f"{table(header, lines)}\n\n{MICRO_REMARK}"


def compile_table(result):
    lines = []
    for name, values in result["compile"].items():
        seconds = Value(values["seconds"], values["seconds_uncertainty"])
        lines.append([name, ratio(seconds), f"{values['bytes']:,}"])
    return table(["what", "compile time, CPU s", "object, text + data, B"], lines)


def whole(result):
    parts = ["# sennit benchmarks", conditions(result)]
    for workload in measured_workloads(result):
        parts += [f"## {workload.title}", workload_table(result, workload)]
        parts += remarks(result, workload)
    if result.get("micro"):
        parts += ["## Microbenchmarks of sennit", micro_table(result)]
    if result.get("compile"):
        parts += ["## Compile time and object size", compile_table(result), COMPILE_REMARK]
    return "\n\n".join(parts) + "\n"


def comparison(old, new):
    lines = []
    for change in changes(old, new):
        noise = "" if change.uncertainty is None else f" ±{100 * change.uncertainty:.1f}"
        lines.append(
            [
                change.group,
                change.name,
                change.verdict(),
                f"{plain(change.old)} {change.unit}",
                f"{plain(change.new)} {change.unit}",
                f"{100 * (change.ratio - 1):+.1f}{noise} %",
            ]
        )
    parts = [f"## What changed from {old['commit']} ({old['date']}) to {new['commit']}"]
    for key in ("kernel", "processor", "compiler"):
        if old[key] != new[key]:
            parts.append(f"The {key} is another: {old[key]} before, {new[key]} now.")
    parts.append(
        "Changes are those of the ratio to the tuned io_uring peer where both have it: what slows the whole machine "
        "cancels out."
    )
    header = ["workload", "what", "verdict", "before", "now", "change"]
    parts.append(table(header, lines, left=3) if lines else "Nothing in common.")
    return "\n\n".join(parts) + "\n"
