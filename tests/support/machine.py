"""Finds out what a build needs and the machine lacks, and installs it where that is possible."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    name: str
    package: str

    def is_there(self):
        return shutil.which(self.name) is not None


@dataclass(frozen=True)
class Library:
    """Found by the name it has in pkg-config."""

    name: str
    package: str

    def is_there(self):
        try:
            return subprocess.run(["pkg-config", "--exists", self.name], stdin=subprocess.DEVNULL).returncode == 0
        except FileNotFoundError:
            return False


COMPILER = Program("g++", "g++")
TOOLS = (Program("meson", "meson"), Program("ninja", "ninja-build"), Program("pkg-config", "pkg-config"))
LIBRARY_NEEDS = (Library("liburing", "liburing-dev"),)
APP_NEEDS = (Library("fmt", "libfmt-dev"), Library("CLI11", "libcli11-dev"))
TEST_NEEDS = (Library("gtest_main", "libgtest-dev"), Program("cmake", "cmake"))


class Missing(Exception):
    """What is missing cannot be installed; the text says what to do."""


def compiler_needs():
    """A compiler named by the user is taken as it is."""
    return () if os.environ.get("CXX") else (COMPILER,)


def ensure(needs):
    """Returns when all of `needs` are there. Installs with apt-get when it may; otherwise raises Missing."""
    missing = [need for need in needs if not need.is_there()]
    if not missing:
        return
    packages = sorted({need.package for need in missing})
    if shutil.which("apt-get") is None:
        names = ", ".join(need.name for need in missing)
        raise Missing(f"missing: {names}\n(in Debian these are the packages {' '.join(packages)})")
    command = "apt-get install -y " + " ".join(packages)
    if os.geteuid() != 0:
        raise Missing(f"some packages are missing; this installs them:\n    sudo {command}")
    print(f"installing: {' '.join(packages)}", flush=True)
    if not install(packages):
        raise Missing(f"the packages could not be installed. What was tried:\n    {command}")
    still_missing = [need.name for need in missing if not need.is_there()]
    if still_missing:
        raise Missing(f"installed {' '.join(packages)}, and yet these are missing: {', '.join(still_missing)}")


def install(packages):
    """True on success. The package lists are fetched only when it does not work with those that are there."""
    steps = (packages_command(packages), ["apt-get", "update", "-qq"], packages_command(packages))
    for step, command in enumerate(steps):
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
        if done.returncode == 0 and step != 1:
            return True
        if done.returncode != 0 and step != 0:
            print(done.stdout, end="", file=sys.stderr)
    return False


def packages_command(packages):
    return ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *packages]
