"""A small outside project uses the library in each of the three ways, with a shared and with a static library."""

import os
import shutil
import subprocess
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = Path(os.environ.get("SENNIT_BUILD_DIR", ROOT / "build" / "test"))
SHARED = BUILD / "installed"  # the prefix that tests/run gives to the build
WORK = ROOT / "build" / "embed"


def run(command, directory=None, **variables):
    """What a command prints; the test fails, with that, when the command does."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def outside(way, name):
    """A fresh directory, outside the sources, with the outside project for one way of using the library."""
    directory = WORK / name
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(HERE / way, directory)
    for source in ("main.cpp", "protocol_test.cpp"):
        shutil.copy(HERE / source, directory)
    return directory


PUBLIC = [ROOT / layer / place for layer in ("runtime", "net") for place in ("include", "testing/include")]


class OutsideProject(unittest.TestCase):
    prefix = SHARED

    def assert_echoes(self, program, **variables):
        self.assertEqual(run([program], **variables), "echoed: hello from outside\n")

    def needed_libraries(self, program):
        return run(["readelf", "-d", program])

    def assert_simulates(self, program, **variables):
        self.assertEqual(run([program], **variables), "answer: 42\n")

    def build_with_pkg_config(self, name, *arguments, package="sennit", source="main.cpp"):
        directory = outside("pkgconfig", name)
        program = directory / "outside"
        command = ["./build.sh", package, source, program, *arguments]
        run(command, directory, PKG_CONFIG_PATH=self.prefix / "lib" / "pkgconfig")
        return program

    def build_test_with_pkg_config(self, name, *arguments):
        return self.build_with_pkg_config(name, *arguments, package="sennit-testing", source="protocol_test.cpp")

    def build_with_cmake(self, name):
        directory = outside("cmake", name)
        binary = directory / "build"
        run(["cmake", "-S", directory, "-B", binary, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}"])
        run(["cmake", "--build", binary])
        return binary / "outside"


class SharedLibrary(OutsideProject):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(SHARED, ignore_errors=True)
        run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"])

    def test_through_pkg_config(self):
        program = self.build_with_pkg_config("shared-pkgconfig")
        self.assertIn("[libsennit.so.0.1]", self.needed_libraries(program))
        self.assert_echoes(program, LD_LIBRARY_PATH=self.prefix / "lib")

    def test_a_simulated_world_through_pkg_config(self):
        program = self.build_test_with_pkg_config("shared-testing")
        self.assertIn("[libsennit_testing.so.0.1]", self.needed_libraries(program))
        self.assert_simulates(program, LD_LIBRARY_PATH=self.prefix / "lib")

    def test_through_cmake(self):
        program = self.build_with_cmake("shared-cmake")
        self.assertIn("[libsennit.so.0.1]", self.needed_libraries(program))
        self.assert_echoes(program)
        self.assert_simulates(program.with_name("protocol_test"))

    def test_cmake_refuses_another_series(self):
        directory = outside("cmake", "refused-cmake")
        description = directory / "CMakeLists.txt"
        for version, accepted in (("0.1.0", True), ("0.2", False), ("0.1.99", False), ("1", False)):
            with self.subTest(version=version):
                description.write_text(
                    "cmake_minimum_required(VERSION 3.12)\nproject(versions LANGUAGES CXX)\n"
                    f"find_package(sennit {version} CONFIG)\n"
                    'if(NOT sennit_FOUND)\n  message(FATAL_ERROR "refused")\nendif()\n'
                )
                command = ["cmake", "-S", directory, "-B", directory / "build", "-G", "Ninja"]
                command.append(f"-DCMAKE_PREFIX_PATH={self.prefix}")
                if accepted:
                    run(command)
                else:
                    self.assertRaisesRegex(AssertionError, "refused", run, command)

    def test_it_installs_no_demo_and_no_test(self):
        installed = {str(path.relative_to(SHARED)) for path in SHARED.rglob("*") if path.is_file()}
        expected = r"include/sennit/.*\.hpp|lib/libsennit(_testing)?\.(a|so.*)"
        expected += r"|lib/pkgconfig/sennit(-testing)?\.pc|lib/cmake/sennit/\S+\.cmake"
        for path in installed:
            with self.subTest(path=path):
                self.assertRegex(path, f"^({expected})$")
        headers = {str(path.relative_to(root)) for root in PUBLIC for path in root.rglob("*.hpp")}
        self.assertEqual({path.removeprefix("include/") for path in installed if path.endswith(".hpp")}, headers)


class Subproject(OutsideProject):
    """The outside project builds the library itself, as a static one; what it installs is then used as well."""

    build = WORK / "subproject-build"
    original = WORK / "static"
    prefix = WORK / "static-moved"  # an installation is usable wherever it is moved to

    @classmethod
    def setUpClass(cls):
        directory = outside("meson_subproject", "subproject")
        (directory / "subprojects").mkdir()
        (directory / "subprojects" / "sennit").symlink_to(ROOT)
        # In one piece, which the library has to be fit for, and which takes a tenth of the time.
        options = ["--buildtype=debug", "-Ddebug=false", "-Ddefault_library=static"]
        options += ["-Dunity=subprojects", "-Dunity_size=100"]
        options += [f"--prefix={cls.original}", "--libdir=lib"]
        if (cls.build / "build.ninja").exists():
            options.append("--reconfigure")
        run(["meson", "setup", cls.build, directory, *options], CXX=os.environ.get("CXX", "g++"))
        run(["ninja", "-C", cls.build, "--quiet"])
        shutil.rmtree(cls.original, ignore_errors=True)
        shutil.rmtree(cls.prefix, ignore_errors=True)
        run(["meson", "install", "-C", cls.build, "--no-rebuild", "--quiet"])
        shutil.move(cls.original, cls.prefix)

    def test_through_meson(self):
        self.assertNotIn("libsennit", self.needed_libraries(self.build / "outside"))
        self.assert_echoes(self.build / "outside")

    def test_it_builds_neither_demos_nor_tests(self):
        programs = run(["ninja", "-C", self.build, "-t", "targets", "rule", "cpp_LINKER"])
        self.assertEqual(sorted(programs.split()), ["outside", "protocol_test"])

    def test_a_simulated_world_through_meson(self):
        self.assert_simulates(self.build / "protocol_test")

    def test_a_simulated_world_through_pkg_config(self):
        self.assert_simulates(self.build_test_with_pkg_config("static-testing", "--static --define-prefix"))

    def test_through_pkg_config(self):
        # pkg-config moves paths only when it is asked to.
        program = self.build_with_pkg_config("static-pkgconfig", "--static --define-prefix")
        self.assertNotIn("libsennit", self.needed_libraries(program))
        self.assert_echoes(program)

    def test_through_cmake(self):
        program = self.build_with_cmake("static-cmake")
        self.assertNotIn("libsennit", self.needed_libraries(program))
        self.assert_echoes(program)
        self.assert_simulates(program.with_name("protocol_test"))


if __name__ == "__main__":
    unittest.main()
