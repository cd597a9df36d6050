"""The result as a picture: for each workload a panel of bars, one for each candidate, relative to the best raw peer."""

from html import escape

import candidates
from report import plain
from summary import measured_workloads, rows

PANEL_WIDTH, LABEL_WIDTH, BAR_HEIGHT, GAP, MARGIN, TITLE = 560, 190, 16, 4, 24, 44
VALUE_WIDTH = 110
COLUMNS = 2
CUT = 2.5  # bars longer than so many times the limit are cut, or the others could not be told apart
GREY = "#59636e"
COLOURS = {"raw": "#8a8f98", "sennit": "#c2410c", "other": "#4f7cac"}


def kind(name):
    if candidates.named(name).program == "sennit_echo":
        return "sennit"
    return "raw" if name in ("uring", "uring-plain", "epoll") else "other"


def text(x, y, content, size=11, anchor="start", weight="normal", colour="#1f2328"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{colour}">{escape(content)}</text>'
    )


def rectangle(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def line(x1, y1, x2, y2, colour="#1f2328", dash=""):
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashes}/>'


def panel_height(found):
    return TITLE + len(found) * (BAR_HEIGHT + GAP) + MARGIN


def panel(workload, found, left, top):
    limit = next((row.figure.median for row in found if row.candidate == candidates.LIMIT), None)
    if not limit:
        limit = min((row.figure.median for row in found if row.figure.median > 0), default=1)
    room = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH - MARGIN
    cut = CUT if workload.figure.key != "bytes_each" else float("inf")
    longest = min(cut, max(row.figure.median / limit for row in found))
    scale = room / max(longest, 1)
    start = left + LABEL_WIDTH
    subtitle = f"{workload.figure_title()}, {workload.figure.unit}; lower is better"
    shapes = [
        text(left, top + 14, workload.title, 14, weight="bold"),
        text(left, top + 30, subtitle, 10, colour=GREY),
    ]
    for index, row in enumerate(found):
        y = top + TITLE + index * (BAR_HEIGHT + GAP)
        middle = y + BAR_HEIGHT / 2
        relative = row.figure.median / limit
        width = max(1, min(relative, cut) * scale)
        candidate = candidates.named(row.candidate)
        shapes.append(text(start - 6, middle + 4, candidate.title, anchor="end"))
        shapes.append(rectangle(start, y, width, BAR_HEIGHT, COLOURS[kind(row.candidate)]))
        end = start + width
        if relative > cut:
            shapes += [line(end - cut_at, y + BAR_HEIGHT, end - cut_at + 6, y, "#ffffff") for cut_at in (10, 6)]
        elif row.figure.uncertainty:
            reach = row.figure.uncertainty / limit * scale
            shapes.append(line(max(start, end - reach), middle, end + reach, middle))
            end += reach
        label = plain(row.figure.median)
        compared = row.to_limit
        if compared is not None and row.candidate != candidates.LIMIT:
            label += f"  ({compared.median:.2f})"
        shapes.append(text(end + 5, middle + 4, label))
    bottom = top + TITLE + len(found) * (BAR_HEIGHT + GAP)
    shapes.append(line(start + scale, top + TITLE - 4, start + scale, bottom, "#8a8f98", "3 3"))
    return shapes


def svg(result):
    shapes = []
    tops = [MARGIN + 30] * COLUMNS
    for workload in measured_workloads(result):
        found = rows(result, workload)
        column = min(range(COLUMNS), key=lambda index: tops[index])
        shapes += panel(workload, found, MARGIN + column * PANEL_WIDTH, tops[column])
        tops[column] += panel_height(found)
    width, height = MARGIN + COLUMNS * PANEL_WIDTH, max(tops)
    heading = (
        f"sennit {result['commit']}, Linux {result['kernel']}, {result['processor']}; "
        "in brackets: median of the ratios to tuned io_uring"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            'font-family="system-ui, sans-serif">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            text(MARGIN, MARGIN, heading, 12, colour=GREY),
            *shapes,
            "</svg>",
        ]
    )
