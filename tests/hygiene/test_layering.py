"""Who may include whom: apps -> net -> runtime -> one interface, with the kernel's backends behind it."""

import re
import unittest

from project import ROOT, cpp_files, includes, shown

BACKENDS = ROOT / "runtime" / "src" / "backends"

# Header, and the only files that may include it.
RESERVED = (
    (r"liburing(\.h|/.*)", r"runtime/src/backends/uring\w*\.[ch]pp"),
    (r"sys/epoll\.h", r"(runtime/src/backends/epoll\w*|apps/bench/micro/floors)\.[ch]pp"),
    (r"(.*/)?uring_backend\.hpp", r"runtime/src/backends/(choose|uring\w*)\.[ch]pp"),
    (r"(.*/)?epoll_backend\.hpp", r"runtime/src/backends/(choose|epoll\w*)\.[ch]pp"),
    (r"CLI/.*", r"apps/common/\w+\.[ch]pp"),
    (r"fmt/.*", r"apps/.*"),
    (r"(gtest|gmock)/.*", r"tests/.*|(runtime|net)/testing/include/.*"),
)


class Layering(unittest.TestCase):
    def assert_never_includes(self, directory, *forbidden):
        roots = [ROOT / path for path in forbidden]
        for file in cpp_files(directory):
            for include in includes(file):
                with self.subTest(file=shown(file), line=include.line):
                    reached = [shown(root) for root in roots if include.target and root in include.target.parents]
                    self.assertEqual(reached, [], f"{shown(file)} must not include {include.name}")

    def test_runtime_knows_no_protocol_and_no_demo(self):
        self.assert_never_includes("runtime", "net", "apps", "tests")

    def test_the_simulated_world_plays_the_kernel_and_knows_the_public_runtime_only(self):
        self.assert_never_includes("runtime/testing", "runtime/src", "net", "apps", "tests")
        self.assert_never_includes("runtime/testing/include", "runtime/testing/src")

    def test_nothing_but_tests_knows_the_testing_kit(self):
        for directory in ("runtime/include", "runtime/src", "net/include", "net/src", "apps"):
            self.assert_never_includes(directory, "runtime/testing", "net/testing")

    def test_net_knows_the_public_runtime_only(self):
        self.assert_never_includes("net", "runtime/src", "apps", "tests")

    def test_demos_use_what_a_user_has(self):
        self.assert_never_includes("apps", "runtime/src", "net/src", "tests")

    def test_public_headers_do_not_reach_into_the_sources(self):
        self.assert_never_includes("runtime/include", "runtime/src")
        self.assert_never_includes("net/include", "net/src")

    def test_some_headers_have_one_user(self):
        for file in cpp_files("runtime", "net", "apps"):
            for include in includes(file):
                for header, users in RESERVED:
                    if re.fullmatch(header, include.name):
                        with self.subTest(file=shown(file), line=include.line):
                            self.assertRegex(shown(file), f"^{users}$", f"it must not include {include.name}")

    def test_one_file_names_both_kernel_backends(self):
        names = {"uring_backend.hpp", "epoll_backend.hpp"}
        both = [
            shown(file)
            for file in cpp_files("runtime")
            if names <= {include.target.name for include in includes(file) if include.target}
        ]
        self.assertEqual(both, ["runtime/src/backends/choose.cpp"])


if __name__ == "__main__":
    unittest.main()
