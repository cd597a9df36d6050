"""What every C++ file keeps to: its size, its formatting, and the shapes of coroutines that g++ 12 compiles right."""

import re
import shutil
import subprocess
import unittest

from coroutine_rules import violations
from project import ROOT, code_only, cpp_files, shown

LONGEST_FILE = 450  # lines
FORMATTER_VERSION = "14"  # others format some things differently


class Sources(unittest.TestCase):
    def test_no_file_is_too_long(self):
        for file in cpp_files():
            with self.subTest(file=shown(file)):
                self.assertLessEqual(len(file.read_text().splitlines()), LONGEST_FILE)

    def test_each_source_opens_with_what_it_owns(self):
        for file in cpp_files():
            if file.suffix == ".cpp":
                with self.subTest(file=shown(file)):
                    self.assertRegex(file.read_text(), r"\A// \S", "it must open with a comment")

    def test_formatting(self):
        formatter = find_formatter()
        if formatter is None:
            self.skipTest(f"clang-format {FORMATTER_VERSION} is not installed")
        done = subprocess.run([formatter, "--dry-run", *cpp_files()], capture_output=True, text=True)
        wrong = sorted({shown(ROOT / path) for path in re.findall(rf"^({ROOT}/\S+?):\d+:", done.stderr, re.MULTILINE)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(wrong, [], "clang-format -i puts these right")

    def test_no_temporaries_that_gcc_destroys_twice(self):
        for file in cpp_files():
            # The search sees no types: tests capture numbers, which are safe, and the canary has the forms on purpose.
            if shown(file).startswith("tests/"):
                continue
            for line, text in violations(code_only(file.read_text())):
                with self.subTest(place=f"{shown(file)}:{line}"):
                    self.fail(text)


def find_formatter():
    for name in (f"clang-format-{FORMATTER_VERSION}", "clang-format"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            if f"version {FORMATTER_VERSION}." in version:
                return name
    return None


class CoroutineRules(unittest.TestCase):
    """The search finds what it is there for, and leaves the right ways of writing it alone."""

    WRONG = (
        'co_await timer{std::string("x")};',
        "co_await net::options<int>{1};",
        "co_await f([x] { return x; });",
        "co_await f([=] { return x; });",
        "co_await f([owned = std::move(p)]() -> task<> { co_return; });",
        "use(co_await g(), [x](int) { return x; });",
        "co_await [n]() -> task<> { co_return; }();",
        "auto v = c ? co_await a() : co_await b();",
        "auto v = c ? 1 : co_await b();",
        "record r{co_await a(), co_await b()};",
        "co_return record{1, name(co_await a())};",
        "name k[] = {co_await a()};",
        "throw name(co_await a());",
        "auto f = [n = co_await a()] { return n; };",
    )
    RIGHT = (
        "co_await f([&] { return x; });",
        "co_await f([&x, this] { return x; });",
        "co_await f([](int n) -> task<> { co_return; }(1));",
        "group.spawn([x]() -> task<> { co_await sleep_for(1ms); });",
        "auto f = [x] { return x; }; co_await g(f);",
        "co_await listener.bind({loopback, 0});",
        "while (auto n = co_await s.recv(b)) { use([x] { return x; }); }",
        "if (c) { co_await a(); } else { co_await b(); }",
        "try { co_await a(); } catch (...) {}",
        "task<> f() { co_await a(); }",
        "task<> f() const { co_await a(); }",
        "auto f = [&]() -> task<> { co_await a(); };",
        "auto f = [&]() -> net::result<int> { co_await a(); };",
        "for (;;) { co_await a(); }",
        "values[co_await a()] = 1;",
        "case 1: co_await a();",
    )

    def test_it_finds_each_wrong_shape(self):
        for code in self.WRONG:
            with self.subTest(code=code):
                self.assertTrue(violations(code_only(code)))

    def test_it_finds_nothing_in_right_shapes(self):
        for code in self.RIGHT:
            with self.subTest(code=code):
                self.assertEqual(violations(code_only(code)), [])


class Demos(unittest.TestCase):
    """apps/run --list reads the first line of each demo, and Meson builds what apps/meson.build names."""

    def test_each_opens_with_its_name_and_what_it_does(self):
        for file in sorted((ROOT / "apps").glob("*.cpp")):
            with self.subTest(file=shown(file)):
                self.assertRegex(file.read_text(), rf"\A// {file.stem}: \S", "`// name: one line` for apps/run --list")

    def test_each_is_built(self):
        built = re.findall(r"^  '(\w+)',$", (ROOT / "apps" / "meson.build").read_text(), re.MULTILINE)
        self.assertEqual(sorted(built), sorted(file.stem for file in (ROOT / "apps").glob("*.cpp")))


if __name__ == "__main__":
    unittest.main()
