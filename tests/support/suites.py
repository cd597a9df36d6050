"""What there is to run: each suite is one program or one Python file, against the build it belongs to."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import results
from building import BUILD_ROOT, ROOT, BuildDirectory

SUPPORT = ROOT / "tests" / "support"
LOGS = BUILD_ROOT / "test-logs"
GREEN = BUILD_ROOT / "test-green"  # what passed, and for which files
TIME_LIMIT = 900  # seconds for one suite; reached only by something that hangs

SEEDS_APART = 10**9  # more than a build gets through

# GoogleTest filters for the runs that would be too slow, or would see nothing, with everything.
CROSSES_THREADS = "*Thread*:*Post*:*Blocking*:*Mailbox*:*Resolve*"
ON_IO_URING = "*/io_uring*:UringBackend*"
# Not what takes too long there, what forks, waits for threads or counts allocations, which valgrind does as well, nor
# io_uring, whose writes it does not see.
UNDER_VALGRIND = "*FramePool.*:*TaskGroup*:*TimerWheel*:*Cancel*-*Model*:*Deep*:*Million*:*/Run.*:*/Resolve.*:*/io_uring"

# What tests/kernel does in --full; the usual run does a small part of it.
LONG_AMOUNTS = {
    "SENNIT_TRANSFER_BYTES": str(1 << 30),
    "SENNIT_STORM_BYTES": str(1 << 28),
    "SENNIT_CHURN_CONNECTIONS": "1000000",
    "SENNIT_SHUTDOWNS": "10000",
}

ADDRESS_OPTIONS = "strict_string_checks=1:detect_invalid_pointer_pairs=1"
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": ADDRESS_OPTIONS,
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": f"halt_on_error=1:second_deadlock_stack=1:suppressions={SUPPORT}/tsan.supp",
}

ALL_PARTS = ["-Dapps=enabled", "-Dtests=enabled", "-Dio_uring=enabled"]
SANITIZED = ["-Ddebug=false", "-Db_ndebug=false", "-Db_lundef=false"]
# AddressSanitizer reports what UBSan's check for null would; without it, and vptr, the build takes a fifth less.
UNDEFINED = "-Dcpp_args=-g1 -fno-sanitize=null,vptr"
# A third less to compile from nothing. The other builds compile each file by itself, as whoever uses the library does.
IN_GROUPS = "-Dtests_in_groups=true"
UNITY = ["-Dunity=on", "-Dunity_size=20"]
BUILDS = {
    "test": BuildDirectory(
        "test",
        # Its installation, with both kinds of library, is what tests/embed uses.
        ["-Dbuildtype=debugoptimized", "-Dwerror=true", "-Ddefault_library=both", *UNITY, IN_GROUPS, *ALL_PARTS]
        + [f"--prefix={BUILD_ROOT / 'test' / 'installed'}", "--libdir=lib"],
    ),
    # Not optimised, since more time goes into compiling than into running.
    "asan": BuildDirectory(
        "asan",
        ["-Db_sanitize=address,undefined", "-Doptimization=0", UNDEFINED, *SANITIZED, *UNITY, IN_GROUPS, *ALL_PARTS],
    ),
    "tsan": BuildDirectory("tsan", ["-Db_sanitize=thread", "-Doptimization=1", "-Dcpp_args=-g1", *SANITIZED, *ALL_PARTS]),
    # A library with a defect in it, for the swarm to find.
    "planted": BuildDirectory(
        "planted", ["-Dbuildtype=debug", "-Dapps=disabled", "-Dtests=enabled", "-Dplanted_bug=true"]
    ),
    "no-uring": BuildDirectory(
        "no-uring", ["-Dbuildtype=debug", "-Dwerror=true", "-Dapps=enabled", "-Dtests=enabled", "-Dio_uring=disabled"]
    ),
}


def clang_build(compiler):
    options = ["-Dbuildtype=debugoptimized", "-Dwerror=true", *ALL_PARTS]
    return BuildDirectory("clang", options, compiler=compiler)


class Suite:
    """One program. `build` is None for what needs no build; `targets` is what ninja has to make for it."""

    time_limit = TIME_LIMIT

    def __init__(self, name, build, targets, variables=None):
        self.name = name
        self.variables = variables or {}
        self.time_limit = TIME_LIMIT
        self.build = build
        self.targets = targets
        stem = name.replace("/", "-")
        self.log = LOGS / f"{stem}.log"
        self.report = LOGS / f"{stem}.json"
        self.green = GREEN / f"{stem}.json"

    def command(self, parts):
        """What runs the suite; with `parts`, only the tests whose names contain one of them."""
        raise NotImplementedError

    def inputs(self):
        """The files that decide what the suite comes to."""
        raise NotImplementedError

    def names(self, parts):
        """The tests whose names contain one of the parts."""
        raise NotImplementedError

    def environment(self):
        variables = {**os.environ, "SENNIT_ROOT": str(ROOT), **SANITIZER_OPTIONS, **self.variables}
        if self.build is not None:
            variables["SENNIT_BUILD_DIR"] = str(self.build.path)
            variables["SENNIT_APPS_DIR"] = str(self.build.path / "apps")
        return variables

    def fingerprint(self):
        """Changes whenever something changes that the suite depends on."""
        digest = hashlib.sha256()
        surroundings = {name: value for name, value in os.environ.items() if name.startswith("SENNIT_")}
        digest.update(repr((platform.release(), sorted(surroundings.items()))).encode())
        for path in sorted(self.inputs()):
            digest.update(str(path).encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def known_green(self):
        """The result of the last run, when it was good and nothing has changed since."""
        if not self.green.exists():
            return None
        stored = json.loads(self.green.read_text())
        return results.Result.from_json(stored) if stored["fingerprint"] == self.fingerprint() else None

    def run(self, parts=()):
        """Returns a Result and the seconds it took."""
        LOGS.mkdir(parents=True, exist_ok=True)
        GREEN.mkdir(parents=True, exist_ok=True)
        self.report.unlink(missing_ok=True)
        self.green.unlink(missing_ok=True)
        fingerprint = self.fingerprint()
        started = time.monotonic()
        with self.log.open("w") as log:
            program = subprocess.Popen(
                self.command(parts),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment(),
                cwd=ROOT,
                start_new_session=True,
            )
            try:
                status = program.wait(self.time_limit)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, 9)  # the group that began with this program, and has what it started
                program.wait()
                status = None
        result = self.read(status, self.report, self.log.read_text(errors="replace"))
        if not result.failed and not parts:
            self.green.write_text(json.dumps({"fingerprint": fingerprint, **result.to_json()}))
        return result, time.monotonic() - started


def libraries(build):
    return [path for path in build.path.glob("libsennit.*") if path.is_file()]


class GoogleTest(Suite):
    read = staticmethod(results.read_googletest)

    def __init__(self, name, build, program, test_filter=None, wrapper=(), variables=None):
        super().__init__(name, build, [f"tests/{program}/{program}_tests"], variables)
        self.folder = program
        self.program = build.path / self.targets[0]
        self.filter = test_filter
        self.wrapper = list(wrapper)

    def command(self, parts):
        test_filter = ":".join(f"*{part}*" for part in parts) or self.filter
        command = [*self.wrapper, str(self.program), "--gtest_color=no", f"--gtest_output=json:{self.report}"]
        return command + [f"--gtest_filter={test_filter}"] if test_filter else command

    def inputs(self):
        corpus = [path for path in (ROOT / "tests" / self.folder / "corpus").rglob("*") if path.is_file()]
        return [self.program, *libraries(self.build), *corpus]

    def names(self, parts):
        command = [*self.wrapper, str(self.program), "--gtest_list_tests"]
        listed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
        names = []
        suite = ""
        for line in listed.splitlines():
            entry = line.split("#")[0].rstrip()
            if line.startswith("  "):
                names.append(suite + entry.strip())
            elif entry.endswith("."):
                suite = entry
        return [name for name in names if any(part in name for part in parts)]


class PythonTest(Suite):
    read = staticmethod(results.read_unittest)

    def __init__(self, name, file, build=None, also=(), targets=("all",), variables=None):
        super().__init__(name, build, list(targets) if build else [], variables)
        self.file = file
        self.also = also  # a function that lists further inputs

    def command(self, parts):
        return [sys.executable, str(SUPPORT / "run_unittest.py"), str(self.file), str(self.report), *parts]

    def inputs(self):
        inputs = [self.file, *self.file.parent.glob("*.py"), *SUPPORT.glob("*.py")]
        if self.build is not None:
            demos = self.build.path / "apps"
            inputs += [self.build.path / target for target in self.targets if target != "all"]
            inputs += [path for path in demos.glob("*") if path.is_file() and os.access(path, os.X_OK)]
            inputs += libraries(self.build)
        if self.also:
            inputs += self.also()
        return set(inputs)

    def names(self, parts):
        command = [sys.executable, str(SUPPORT / "run_unittest.py"), str(self.file), "--list", *parts]
        listed = subprocess.run(command, capture_output=True, text=True, env=self.environment())
        return listed.stdout.split()


def project_files():
    """Everything that belongs to the project, committed or not."""
    found = []
    for directory, subdirectories, names in os.walk(ROOT):
        not_ours = {".git", "__pycache__", *(["build"] if Path(directory) == ROOT else [])}
        subdirectories[:] = [name for name in subdirectories if name not in not_ours]
        found += [Path(directory) / name for name in names]
    return [path for path in found if path.is_file()]


def python_tests(folder, prefix="", build=None, also=()):
    suites = []
    for file in sorted((ROOT / "tests" / folder).glob("test_*.py")):
        name = file.stem.removeprefix("test_")
        # These start programs by the hundred, which end at once; the search for leaks doubles what each takes.
        variables = {"ASAN_OPTIONS": ADDRESS_OPTIONS + ":detect_leaks=0"} if name == "flags" else {}
        suites.append(PythonTest(f"{prefix}{folder}/{name}", file, build, also, variables=variables))
    return suites


def programs(build, prefix="", **how):
    names = ("runtime", "net", "testing", "demos", "fuzz", "kernel")
    return [GoogleTest(prefix + name, build, name, **how) for name in names]


def swarms():
    """The swarm against both usual builds."""
    return [
        GoogleTest("asan/swarm", BUILDS["asan"], "swarm", wrapper=fixed_addresses()),
        GoogleTest("swarm", BUILDS["test"], "swarm"),
    ]


def fuzzing_swarms(first_seed, seconds):
    """The same with fresh seeds, for so long; each build has seeds of its own."""
    chosen = swarms()
    for number, suite in enumerate(chosen):
        seed = first_seed + number * SEEDS_APART
        suite.variables = {"SENNIT_SWARM_SEED": str(seed), "SENNIT_SWARM_SECONDS": str(seconds)}
        suite.time_limit += seconds
        suite.filter = "*Swarm*.RandomPrograms*"
    return chosen


def fixed_addresses():
    """Keeps address randomisation from placing a program where the sanitizers of g++ 12 want their shadow memory."""
    wrapper = ("setarch", "-R")
    works = shutil.which("setarch") and subprocess.run([*wrapper, "true"], capture_output=True).returncode == 0
    return wrapper if works else ()


def usual_suites():
    """The long ones first: they are handed out to a few workers in this order."""
    test, asan = BUILDS["test"], BUILDS["asan"]
    embed = PythonTest("embed", ROOT / "tests" / "embed" / "test_embed.py", test, also=project_files)
    return [
        embed,
        *programs(asan, "asan/", wrapper=fixed_addresses()),
        *programs(test),
        *swarms(),
        *python_tests("apps", "asan/", asan),
        *python_tests("apps", "", test),
        *python_tests("hygiene", also=project_files),
    ]


def full_suites(clang):
    """What --full adds. `clang` is the name of a clang that is new enough, or None."""
    suites = programs(BUILDS["tsan"], "tsan/", test_filter=CROSSES_THREADS, wrapper=fixed_addresses())
    suites.append(GoogleTest("long/kernel", BUILDS["test"], "kernel", variables=LONG_AMOUNTS))
    planted = ROOT / "tests" / "swarm" / "test_planted_bug.py"
    suites.append(PythonTest("swarm/planted_bug", planted, BUILDS["planted"], targets=["tests/swarm/swarm_tests"]))
    for rung in ("coop", "plain"):  # what older kernels have
        how = {"test_filter": ON_IO_URING, "variables": {"SENNIT_IO_URING_RUNG": rung}}
        suites += programs(BUILDS["test"], f"{rung}/", **how)
    suites += programs(BUILDS["no-uring"], "no-uring/")
    suites += python_tests("apps", "no-uring/", BUILDS["no-uring"])
    if clang:
        build = clang_build(clang)
        suites += [*programs(build, "clang/"), *python_tests("apps", "clang/", build)]
        suites.append(GoogleTest("clang/swarm", build, "swarm"))
    if shutil.which("valgrind"):
        # The runtime's tests have an operator new of their own, so blocks of libstdc++ seem to be freed in the wrong way.
        valgrind = ("valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--show-mismatched-frees=no")
        suites += programs(BUILDS["test"], "valgrind/", test_filter=UNDER_VALGRIND, wrapper=valgrind)
    return suites
