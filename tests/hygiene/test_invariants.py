"""The table of invariants names tests that exist."""

import fnmatch
import os
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(os.environ["SENNIT_ROOT"])
sys.path.insert(0, str(ROOT / "tests" / "support"))
from invariants_data import INVARIANTS  # noqa: E402


def names_of_tests():
    for source in (ROOT / "tests").rglob("*.cpp"):
        for suite, name in re.findall(r"^TEST(?:_[PF])?\((\w+), (\w+)\)", source.read_text(), re.MULTILINE):
            yield f"{suite}.{name}"
    for source in (ROOT / "tests").rglob("test_*.py"):
        case = ""
        for kind, name in re.findall(r"^\s*(class|def) (\w+)", source.read_text(), re.MULTILINE):
            if kind == "class":
                case = name
            elif name.startswith("test_"):
                yield f"{case}.{name}"


class Invariants(unittest.TestCase):
    def test_there_are_as_many_as_have_been_promised(self):
        self.assertEqual(len(INVARIANTS), 25)

    def test_every_pattern_matches_a_test(self):
        names = set(names_of_tests())
        for _, patterns in INVARIANTS:
            for pattern in patterns:
                with self.subTest(pattern):
                    self.assertTrue(fnmatch.filter(names, pattern))

    def test_the_page_has_the_rows_of_the_data(self):
        page = (ROOT / "docs" / "invariants.md").read_text()
        rows = [line.split(" | ") for line in page.splitlines() if re.match(r"\| \d+ ", line)]
        self.assertEqual([row[1] for row in rows], [text for text, _ in INVARIANTS])
        for row, (_, patterns) in zip(rows, INVARIANTS):
            self.assertEqual(re.findall(r"`([^`]+)`", row[2]), list(patterns))


if __name__ == "__main__":
    unittest.main()
