"""The project's files, seen as text."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTING_DIRECTORIES = (ROOT / "runtime" / "testing" / "include", ROOT / "net" / "testing" / "include")
INCLUDE_DIRECTORIES = (ROOT / "runtime" / "include", ROOT / "net" / "include", *TESTING_DIRECTORIES)
CPP_DIRECTORIES = ("runtime", "net", "apps", "tests")


def cpp_files(*directories):
    """The C++ files under these directories of the project, all of them by default."""
    roots = [ROOT / directory for directory in directories or CPP_DIRECTORIES]
    return sorted(path for root in roots for path in root.rglob("*") if path.suffix in (".cpp", ".hpp"))


def public_headers():
    return sorted(path for directory in INCLUDE_DIRECTORIES for path in directory.rglob("*.hpp"))


def documents():
    ours = [path for path in ROOT.iterdir() if path.name not in ("build", "subprojects", ".git") and path.is_dir()]
    return sorted([*ROOT.glob("*.md"), *(document for path in ours for document in path.rglob("*.md"))])


def shown(path):
    return str(path.relative_to(ROOT))


@dataclass(frozen=True)
class Include:
    name: str  # as written between the delimiters
    line: int
    target: Path | None  # the file of the project that it names, if it does


def includes(path):
    """The includes of a C++ file."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := re.match(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', line):
            name = match[1] or match[2]
            beside = () if match[1] else (path.parent, *path.parents)
            found.append(Include(name, number, resolve(name, beside)))
    return found


def resolve(name, beside):
    sources = (ROOT / "runtime" / "src", ROOT / "runtime" / "testing" / "src", ROOT / "net" / "src")
    for directory in (*beside, *INCLUDE_DIRECTORIES, *sources):
        candidate = directory / name
        if candidate.is_file() and ROOT in candidate.resolve().parents:
            return candidate.resolve()
    return None


def code_only(text):
    """The text with comments and the contents of literals blanked; every character keeps its line."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
        re.DOTALL,
    )

    def blank(match):
        kept = "".join("\n" if character == "\n" else " " for character in match[0][1:-1])
        ends = ('"', '"') if match[0][0] in "R\"" else (" ", " ")
        return ends[0] + kept + ends[1]

    return pattern.sub(blank, text)
