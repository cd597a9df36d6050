"""Public headers: each stands alone, and none lets the kernel's headers into the programs that include it."""

import concurrent.futures
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from project import INCLUDE_DIRECTORIES, ROOT, TESTING_DIRECTORIES, includes, public_headers, shown

COMPILER = os.environ.get("CXX", "g++").split()
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *(f"-I{path}" for path in INCLUDE_DIRECTORIES)]
JOBS = 2
SLOW_TO_COMPILE = {"chrono", "memory", "string", "vector"}

# What would follow from a kernel header that came in through another header.
KERNEL_HEADERS = r"/(sys/(socket|epoll|un|uio|eventfd)|netinet/\w+|arpa/inet|linux/io_uring|liburing|netdb)\.h$"


def standard_headers(header):
    """Those of the standard library that come with the header."""
    found = set()
    seen = set()
    left = [header]
    while left:
        file = left.pop()
        if file not in seen:
            seen.add(file)
            found |= {include.name for include in includes(file) if include.target is None}
            left += [include.target for include in includes(file) if include.target is not None]
    return found


class Prelude:
    """What most public headers include of the standard library, compiled once: that takes most of the time that each of
    them needs. It comes first only where all of it would come anyway."""

    def __init__(self, directory, headers):
        self.headers = headers
        self.file = Path(directory) / "prelude.hpp"
        self.file.write_text("".join(f"#include <{name}>\n" for name in sorted(headers)))
        run([*COMPILER, *FLAGS, "-x", "c++-header", str(self.file), "-o", f"{self.file}.gch"], "")

    def options(self, header):
        return ["-include", str(self.file)] if self.headers <= standard_headers(header) else []


def run(command, source):
    """What the compiler has to say when it is not content."""
    done = subprocess.run(command, input=source, capture_output=True, text=True)
    return done.stderr if done.returncode != 0 else ""


def compile_alone(header, options):
    """What the compiler has to say about a file that includes the header, twice."""
    name = next(header.relative_to(path) for path in INCLUDE_DIRECTORIES if path in header.parents)
    source = f"#include <{name}>\n#include <{name}>\n"
    return run([*COMPILER, *FLAGS, *options, "-fsyntax-only", "-x", "c++", "-"], source)


class PublicHeaders(unittest.TestCase):
    def test_each_compiles_alone(self):
        headers = public_headers()
        self.assertTrue(headers)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        most = [names for names in map(standard_headers, headers) if SLOW_TO_COMPILE <= names]
        with concurrent.futures.ThreadPoolExecutor(JOBS) as workers:
            prelude = Prelude(directory.name, set.intersection(*most))
            options = map(prelude.options, headers)
            for header, complaint in zip(headers, workers.map(compile_alone, headers, options)):
                with self.subTest(header=shown(header)):
                    self.assertEqual(complaint, "")

    def test_each_begins_with_pragma_once(self):
        for header in public_headers():
            with self.subTest(header=shown(header)):
                lines = [line for line in header.read_text().splitlines() if line and not line.startswith("//")]
                self.assertEqual(lines[0], "#pragma once")

    def test_they_include_the_standard_library_and_each_other_only(self):
        for header in public_headers():
            for include in includes(header):
                with self.subTest(header=shown(header), line=include.line):
                    allowed = r"^(sennit/[\w/]+\.hpp|[a-z_]+)$"
                    if any(path in header.parents for path in TESTING_DIRECTORIES):
                        allowed += r"|^gtest/gtest\.h$"
                    self.assertRegex(include.name, allowed)

    def test_no_kernel_header_comes_in_through_another(self):
        source = "".join(f"#include <sennit/{name}.hpp>\n" for name in ("sennit", "backend"))
        done = subprocess.run(
            [*COMPILER, *FLAGS, "-M", "-x", "c++", "-"], input=source, capture_output=True, text=True, cwd=ROOT
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        seen = [path for path in done.stdout.split() if re.search(KERNEL_HEADERS, path)]
        self.assertEqual(seen, [])


if __name__ == "__main__":
    unittest.main()
