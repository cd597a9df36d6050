"""What is going on: one line that changes on a terminal, a line now and then elsewhere."""

import sys
import time

REPORT_EVERY = 15  # seconds


class Progress:
    def __init__(self, total):
        self.total = total
        self.done = 0
        self.began = time.monotonic()
        self.next_report = self.began
        self.on_terminal = sys.stderr.isatty()

    def __call__(self, what):
        if not self.on_terminal and time.monotonic() < self.next_report:
            return
        self.next_report = time.monotonic() + REPORT_EVERY
        line = what
        if self.total:
            line = f"{100 * self.done // self.total:3} %{self.remaining()}  {what}"
        if self.on_terminal:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def step(self):
        self.done += 1

    def remaining(self):
        if self.done == 0:
            return ""
        seconds = (time.monotonic() - self.began) / self.done * (self.total - self.done)
        return f", {int(seconds // 60)}:{int(seconds % 60):02} left"

    def say(self, line):
        """A line that stays."""
        self.clear()
        print(line, file=sys.stderr, flush=True)

    def clear(self):
        if self.on_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
