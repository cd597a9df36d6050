"""The figures of the README are those of docs/performance.md; both are written by `apps/run bench --document`."""

import re
import unittest

from project import ROOT

PART = re.compile(r"<!-- performance: begin -->\n(?P<table>.*?)\n<!-- performance: end -->", re.DOTALL)


def measured(path):
    found = PART.search((ROOT / path).read_text())
    return found["table"] if found else None


class Performance(unittest.TestCase):
    def test_readme_has_the_table_of_the_document(self):
        table = measured("docs/performance.md")
        self.assertIsNotNone(table, "docs/performance.md has no summary")
        self.assertRegex(table, r"(?m)^\| TCP echo.*\d", "the summary has no figures")
        self.assertEqual(measured("README.md"), table)


if __name__ == "__main__":
    unittest.main()
