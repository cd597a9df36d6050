"""Build directories under build/: made by Meson, built by ninja, with progress that suits a terminal or a log."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD_ROOT = ROOT / "build"
CORES = len(os.sched_getaffinity(0))

REPORT_EVERY = 15  # seconds between lines of progress where they cannot overwrite each other


class BuildFailed(Exception):
    """The text is what the compiler, or Meson, had to say."""


class BuildDirectory:
    def __init__(self, name, options, compiler=None):
        self.name = name
        self.path = BUILD_ROOT / name
        self.options = options
        self.compiler = compiler or os.environ.get("CXX", "g++")
        self.environment = {**fast_linker(), **os.environ, "CXX": self.compiler, "NINJA_STATUS": "[%f/%t] "}

    def build(self, targets=()):
        """Brings the targets up to date, all of them by default. Raises BuildFailed."""
        started = time.monotonic()
        self.configure()
        steps = self.run_ninja(targets)
        if steps:
            print(f"build/{self.name}: {steps} steps in {time.monotonic() - started:.0f} s", flush=True)

    def configure(self):
        """Makes the directory, and makes it anew when it was made for something else."""
        stamp = self.path / "made-for.json"
        made_for = {
            "options": self.options,
            "compiler": output_of([*self.compiler.split(), "--version"]),
            "meson": output_of(["meson", "--version"]),
        }
        if (self.path / "build.ninja").exists() and stamp.exists() and json.loads(stamp.read_text()) == made_for:
            return
        print(f"build/{self.name}: configuring", flush=True)
        shutil.rmtree(self.path, ignore_errors=True)
        done = subprocess.run(
            ["meson", "setup", str(self.path), str(ROOT), *self.options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )
        if done.returncode != 0:
            raise BuildFailed(done.stdout)
        stamp.write_text(json.dumps(made_for))

    def run_ninja(self, targets):
        """Returns the number of steps that were taken."""
        command = ["ninja", "-C", str(self.path), "-j", str(CORES), *targets]
        ninja = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self.environment,
        )
        progress = Progress(f"build/{self.name}")
        lines = []
        steps = 0
        for line in ninja.stdout:
            lines.append(line)
            if step := re.match(r"\[(\d+)/(\d+)\] ", line):
                steps = int(step[1])
                progress.show(steps, int(step[2]))
        progress.end()
        if ninja.wait() != 0:
            raise BuildFailed(complaint(lines))
        return steps


class Progress:
    """On a terminal one line that changes; elsewhere a line now and then."""

    def __init__(self, what):
        self.what = what
        self.on_terminal = sys.stdout.isatty()
        self.next_report = time.monotonic() + REPORT_EVERY

    def show(self, done, total):
        if self.on_terminal:
            print(f"\r\x1b[K{self.what}: {done} of {total}", end="", flush=True)
        elif time.monotonic() >= self.next_report:
            self.next_report = time.monotonic() + REPORT_EVERY
            print(f"{self.what}: {done} of {total}", flush=True)

    def end(self):
        if self.on_terminal:
            print("\r\x1b[K", end="", flush=True)


def fast_linker():
    """What has Meson take the linker that needs half the time of the usual one, where there is one."""
    return {"CXX_LD": "gold"} if shutil.which("ld.gold") else {}


def complaint(lines):
    """Ninja's output from the first failure on, without the steps that went well."""
    start = next((index for index, line in enumerate(lines) if line.startswith("FAILED:")), 0)
    return "".join(line for line in lines[start:] if not re.match(r"\[\d+/\d+\] ", line))


def output_of(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[0]
