"""The documents: their code is the code of the project, and their links lead somewhere."""

import re
import textwrap
import unittest

from project import ROOT, documents, shown

SNIPPET = re.compile(r"^<!-- from: (?P<path>\S+) -->\n+```\w*\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
MARKER = re.compile(r"^<!-- from: .*$", re.MULTILINE)
REGION = re.compile(r"^ *// \[readme\]\n(?P<code>.*?)^ *// \[/readme\]$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")


def quoted_code(path):
    """What a document shows of a file: the part between its two marks, or all of it."""
    text = path.read_text()
    region = REGION.search(text)
    return textwrap.dedent(region["code"]) if region else text


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(text):
    """The names by which the headings of a document can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?) *$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Documents(unittest.TestCase):
    def test_code_is_the_same_as_in_the_file_it_comes_from(self):
        for document in documents():
            text = document.read_text()
            snippets = list(SNIPPET.finditer(text))
            with self.subTest(document=shown(document)):
                self.assertEqual(len(snippets), len(MARKER.findall(text)), "a `from` mark without a block of code")
            for snippet in snippets:
                with self.subTest(document=shown(document), path=snippet["path"]):
                    self.assertEqual(snippet["code"], quoted_code(ROOT / snippet["path"]))

    def test_relative_links_lead_somewhere(self):
        for document in documents():
            for match in LINK.finditer(without_code(document.read_text())):
                target = match["target"] or match["image"]
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                with self.subTest(document=shown(document), link=target):
                    reached = (document.parent / path) if path else document
                    self.assertTrue(reached.exists(), "there is no such file")
                    if anchor and reached.suffix == ".md":
                        self.assertIn(anchor, anchors(reached.read_text()))


if __name__ == "__main__":
    unittest.main()
