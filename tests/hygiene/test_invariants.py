"""The table of invariants names tests that exist, and its page says that they have run."""

import fnmatch
import os
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(os.environ["SENNIT_ROOT"])
sys.path.insert(0, str(ROOT / "tests" / "support"))
from invariants import COUNTED  # noqa: E402
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


def rows_of(page):
    rows = [line.strip("|").split(" |") for line in page.splitlines() if re.match(r"\| \d+ ", line)]
    return [[cell.strip() for cell in row] for row in rows]


def number(cell):
    return int(cell.replace(",", ""))


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
        self.assertEqual([row[1] for row in rows_of(page)], [text for text, _ in INVARIANTS])
        for row, (_, patterns) in zip(rows_of(page), INVARIANTS):
            self.assertEqual(re.findall(r"`([^`]+)`", row[2]), list(patterns))

    def test_the_page_says_that_each_row_was_shown(self):
        names = set(names_of_tests())
        page = (ROOT / "docs" / "invariants.md").read_text()
        for row, (text, patterns) in zip(rows_of(page), INVARIANTS):
            with self.subTest(text):
                if not patterns:
                    self.assertEqual(row[2:], ["not shown yet", "0", "0", ""])
                    continue
                tests, runs, among_them = number(row[3]), number(row[4]), row[5]
                matching = {name for name in names if any(fnmatch.fnmatchcase(name, each) for each in patterns)}
                self.assertTrue(0 < tests <= runs)
                # A test that is new may not have run when the page was written; one that has run is still there.
                self.assertLessEqual(tests, len(matching))
                for count in filter(None, among_them.split(", ")):
                    self.assertRegex(count, rf"^[1-9][\d,]* ({'|'.join(COUNTED.values())})$")


if __name__ == "__main__":
    unittest.main()
