"""`make mutants`: change the library in one place at a time, and see whether a test notices.

mutmut makes the mutants and keeps the results (`mutmut results`, `show` and `browse` read them). This program runs
them, because mutmut lets pytest collect thousands of tests anew for each: here they are collected once, each mutant is
a fork of that process, and it runs the tests that reach its function, first those that killed its siblings. Where a
module calls the function while it is imported, the fork imports it anew. What survives goes through mypy, which the
tests run too. tests/mutants.md says which mutants count.
"""

import argparse
import contextlib
import fnmatch
import gc
import importlib
import os
import pickle
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.mutation import mutators
from mutmut.mutation.data import MutantLineSpans, SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.type_checking import run_type_checker
from mutmut.utils.file_utils import change_cwd, copy_also_copy_files, copy_src_dir, setup_source_paths
from mutmut.utils.format_utils import get_mutant_name, mangled_name_from_mutant_name

SURVIVED, KILLED, NO_TEST, SKIPPED, TIMED_OUT, WRONG_TYPE = 0, 1, 33, 34, 36, 37  # as mutmut writes them
LEARNED = Path("learned.pickle")
NAMES = {SURVIVED: "survived", NO_TEST: "no test", TIMED_OUT: "timed out", WRONG_TYPE: "wrong type", None: "not run"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", default=["*"], help="which files: patterns such as 'posenc_lib/numpy/*'")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1, help="how many mutants at a time")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop then; what was run is a fair sample")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of tests at most for one mutant")
    parser.add_argument("--again", action="store_true", help="run those once more that no test killed")
    parser.add_argument("--tests", nargs="+", help="run these tests alone, such as tests/check/test_engine.py")
    options = parser.parse_args()
    os.environ |= {"MUTANTS": "1", "OMP_NUM_THREADS": "1"}
    generate(options.children)
    found = [data for data in all_mutants() if any(fnmatch.fnmatch(data.path, each) for each in options.files)]
    data_of = {key: data for data in found for key in data.exit_code_by_key}
    wanted = {None, SURVIVED, NO_TEST, TIMED_OUT} if options.again else {None}
    todo = [key for key, data in data_of.items() if data.exit_code_by_key[key] in wanted]
    if todo:
        random.Random(0).shuffle(todo)
        arguments = ["-q", "-s", "--rootdir=.", "-p", "no:cacheprovider", *config().pytest_add_cli_args]
        with change_cwd("mutants"):
            session = InSession(todo, data_of, options, called_at_import())
            pytest.main([*arguments, *(options.tests or config().pytest_add_cli_args_test_selection)], [session])
        check_types(found)
    report(found)


# What is mutated


def generate(children: int) -> None:
    """Write the mutants of every file that changed since the last time."""
    mutators.mutation_operators[:] = [
        (node, names_only if operator is mutators.operator_string else operator)
        for node, operator in mutators.mutation_operators
    ]
    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir(exist_ok=True)
    with contextlib.redirect_stdout(None):
        copy_src_dir()
        copy_also_copy_files()
        setup_source_paths()
        mutmut.create_mutants(children)
    set_mutant_under_test("")


def names_only(node):
    """One mutant of a string where mutmut makes three, and none of a text, which is what has a blank in it."""
    if " " not in getattr(node, "value", " "):
        yield from list(mutators.operator_string(node))[:1]


def all_mutants() -> list[SourceFileMutationData]:
    result = [SourceFileMutationData(path=str(path)) for path in sorted(mutmut.walk_mutatable_files())]
    for data in result:
        data.load()
        if None in data.exit_code_by_key.values():
            skip_strict(data)
    return result


def skip_strict(data: SourceFileMutationData) -> None:
    """zip's strict= speaks only where there is a bug already: no mutants of it."""
    spans = MutantLineSpans.load(data.path).span_by_function_name
    lines = (Path("mutants") / data.path).read_text().split("\n")

    def body(name):
        text = "\n".join(lines[spans[name].start - 1 : spans[name].end]).partition("(")[2]
        return re.sub(r",\s*(strict=\w+)?\)", ")", text)

    for key, code in data.exit_code_by_key.items():
        name = key.rpartition(".")[2]
        if code is None and body(name) == body(mangled_name_from_mutant_name(name) + "__mutmut_orig"):
            data.exit_code_by_key[key] = SKIPPED
    data.save()


# How it is tested


def called_at_import() -> set[str]:
    """Functions that the library's modules call while they are imported: no test calls these again."""
    set_mutant_under_test("stats")
    for path in sorted(Path("posenc_lib").rglob("*.py")):
        if path.name != "__main__.py":
            importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
    set_mutant_under_test("")
    found = set(state()._stats)
    state()._stats.clear()
    return found


def with_importers(module: str) -> list[str]:
    """The module and those that import from it, each before those that import from itself."""
    found = [module]
    for each in found:
        source = sys.modules[each]
        taken = {id(value) for value in vars(source).values() if getattr(value, "__module__", "") == each}
        taken.add(id(source))
        for name, other in list(sys.modules.items()):
            own = name.startswith("posenc_lib.") and not hasattr(other, "__path__") and name not in found
            if own and taken & set(map(id, vars(other).values())):
                found.append(name)
    return found


class InSession:
    """Plugin: where pytest would run the tests, runs the mutants, each in a fork of this process, which runs none."""

    def __init__(self, todo, data_of, options, at_import):
        self.todo, self.data_of, self.options, self.at_import = todo, data_of, options, at_import
        self.killers = defaultdict(Counter)
        self.running, self.dirty = {}, {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        if session.testsfailed:
            raise session.Failed("the tests cannot be collected")
        session.config._tmp_path_factory.getbasetemp()  # made once, so that no fork clears another's
        gc.collect()
        gc.freeze()
        self.items = {item.nodeid: item for item in session.items}
        self.duration, reached, failed = self.remembered() or self.learn()
        print(f"{len(self.items)} tests take {sum(self.duration.values()):.0f} s of one core.", flush=True)
        for nodeid in failed:
            print(f"Fails without a mutation, so it is left out: {nodeid}", flush=True)
        self.anew = {name: with_importers(name.rpartition(".")[0]) for name in self.at_import}
        for name, modules in self.anew.items():
            near = [tests for each, tests in reached.items() if each.rpartition(".")[0] in modules]
            reached[name] = sorted(set().union(*near))
        self.tests = {name: in_turn(ids, self.duration, self.options.seconds) for name, ids in reached.items() if ids}
        for name in self.anew.keys() & self.tests.keys():  # what is made at import may be read without a call
            folders = set(map(folder, reached[name]))
            others = [each for each in self.duration.keys() - set(reached[name]) if folder(each) in folders]
            self.tests[name] += in_turn(others, self.duration, self.options.seconds)
        self.run_all()
        return True

    def remembered(self):
        """What `learn` found the last time of the tests that are run now; None if one of them or the library is new."""
        sources = (path for part in ("posenc_lib", "tests") for path in Path("..", part).rglob("*.py"))
        newest = max(path.stat().st_mtime for path in sources)
        if not LEARNED.exists() or LEARNED.stat().st_mtime < newest:
            return None
        duration, reached, failed = pickle.loads(LEARNED.read_bytes())
        if not self.items.keys() <= duration.keys() | set(failed):
            return None
        reached = {name: [nodeid for nodeid in found if nodeid in self.items] for name, found in reached.items()}
        return {nodeid: duration[nodeid] for nodeid in self.items if nodeid in duration}, reached, failed

    def learn(self):
        """Run each test in a fork of its own, so that no cache hides a call: how long, which functions, which fail."""
        duration, reached, failed, running = {}, defaultdict(list), [], {}

        def collect():
            pid, _ = os.wait()
            nodeid, out = running.pop(pid)
            with os.fdopen(out, "rb") as stream:
                told = stream.read()
            if not told:
                failed.append(nodeid)
                return
            duration[nodeid], functions, imported = pickle.loads(told)
            for module in imported:  # once, here, instead of in every fork that needs it
                with contextlib.suppress(Exception):
                    importlib.import_module(module)
            for function in functions:
                reached[function].append(nodeid)

        for nodeid, item in self.items.items():
            while len(running) >= self.options.children:
                collect()
            out, into = os.pipe()
            if pid := os.fork():
                os.close(into)
                running[pid] = nodeid, out
                continue
            quiet()
            set_mutant_under_test("stats")
            self.failure = lambda item: os._exit(KILLED)
            try:
                start, before = time.process_time(), set(sys.modules)
                run(item)
                imported = [name for name in sys.modules if name not in before and not name.startswith("tests")]
                with os.fdopen(into, "wb") as stream:
                    pickle.dump((time.process_time() - start, state()._stats, imported), stream)
            finally:
                os._exit(0)
        while running:
            collect()
        if not self.options.tests:
            LEARNED.write_bytes(pickle.dumps((duration, reached, failed)))
        return duration, reached, failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        """End the fork before pytest writes down where a test failed and why, which takes longer than the test."""
        passing = (pytest.skip.Exception, pytest.xfail.Exception)
        if call.excinfo and not call.excinfo.errisinstance(passing) and not item.get_closest_marker("xfail"):
            self.failure(item)

    def run_all(self):
        started = time.time()
        for count, key in enumerate(self.todo):
            if count % 100 == 0:
                self.save()
                print(f"{count} of {len(self.todo)} after {(time.time() - started) / 60:.1f} minutes", flush=True)
            if time.time() - started > 60 * self.options.minutes:
                break
            while len(self.running) >= self.options.children:
                self.collect()
            self.start(key)
        while self.running:
            self.collect()
        self.save()

    def start(self, key):
        function = mangled_name_from_mutant_name(key)
        if function not in self.tests:
            self.note(key, NO_TEST)
            return
        killers = [test for test, _ in self.killers[function].most_common(5)]
        out, into = os.pipe()
        if pid := os.fork():
            os.close(into)
            self.running[pid] = key, function, out
            return
        quiet()
        set_mutant_under_test(key)

        def failure(item):
            os.write(into, item.nodeid.encode())
            os._exit(KILLED)

        self.failure, code = failure, KILLED
        try:
            for module in self.anew.get(function, ()):
                importlib.reload(sys.modules[module])
            for nodeid in dict.fromkeys([*killers, *self.tests[function]]):
                signal.setitimer(signal.ITIMER_PROF, 10 + 5 * self.duration[nodeid])  # s of CPU time, then SIGPROF
                run(self.items[nodeid])
            code = SURVIVED
        finally:
            os._exit(code)

    def collect(self):
        pid, status = os.wait()
        key, function, out = self.running.pop(pid)
        with os.fdopen(out, "rb") as stream:
            if killer := stream.read().decode():
                self.killers[function][killer] += 1
        code = os.waitstatus_to_exitcode(status)
        self.note(key, {0: SURVIVED, -signal.SIGPROF: TIMED_OUT}.get(code, KILLED))

    def note(self, key, code):
        data = self.data_of[key]
        data.exit_code_by_key[key] = code
        self.dirty[data.path] = data

    def save(self):
        with change_cwd(".."):
            for data in self.dirty.values():
                data.save()
        self.dirty.clear()


def run(item):
    item.ihook.pytest_runtest_protocol(item=item, nextitem=None)


def quiet():
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def folder(nodeid):
    return nodeid.partition("::")[0].rpartition("/")[0]


def in_turn(nodeids, duration, seconds):
    """The fastest case of each test, then the second of each, and so on: unlike tests see unlike faults."""
    cases, result = defaultdict(list), []
    for nodeid in sorted(nodeids, key=duration.get):
        cases[nodeid.partition("[")[0]].append(nodeid)
    ranked = [(rank, duration[nodeid], nodeid) for each in cases.values() for rank, nodeid in enumerate(each)]
    for _, _, nodeid in sorted(ranked):
        if seconds > 0:
            seconds -= duration[nodeid]
            result.append(nodeid)
    return result


def check_types(found: list[SourceFileMutationData]) -> None:
    """Mark the survivors that the type checker refuses: it sees the library with them and without other mutants."""
    survivors = {key for data in found for key, code in data.exit_code_by_key.items() if code == SURVIVED}
    typed, where = Path("mutants/typed"), {}
    shutil.rmtree(typed, ignore_errors=True)
    shutil.copytree("posenc_lib", typed / "posenc_lib")
    shutil.copy("pyproject.toml", typed)
    for data in found:
        lines = (Path("mutants") / data.path).read_text().split("\n")
        for name, span in MutantLineSpans.load(data.path).span_by_function_name.items():
            key = get_mutant_name(Path(data.path), name)
            for line in range(span.start, span.end + 1):
                if key in survivors:
                    where[data.path, line] = data, key
                elif not name.endswith("_orig"):
                    lines[line - 1] = ""
        (typed / data.path).write_text("\n".join(lines))
    with change_cwd(typed):
        errors = run_type_checker([sys.executable, "-m", "mypy", "--output", "json", "--cache-dir", "../.mypy"])
        home = Path.cwd()
    for error in errors:
        data, key = where.get((str(error.file_path.relative_to(home)), error.line_number), (None, None))
        if data:
            data.exit_code_by_key[key] = WRONG_TYPE
            data.type_check_error_by_key[key] = error.error_description
            data.save()


def report(found: list[SourceFileMutationData]) -> None:
    """Print what no test killed, and a table of the packages."""
    table = defaultdict(Counter)
    for data in found:
        for key, code in data.exit_code_by_key.items():
            if code != SKIPPED:
                table[str(Path(data.path).parent)][NAMES.get(code, "killed")] += 1
            if code in (SURVIVED, NO_TEST):
                print(f"{NAMES[code]}: {key}")
    columns = ["killed", "wrong type", "timed out", "survived", "no test", "not run"]
    print(f"{'':34}{'mutants':>11}{''.join(f'{each:>11}' for each in columns)}{'killed':>9}")
    for package, counts in [*sorted(table.items()), ("all", sum(table.values(), Counter()))]:
        tested = counts.total() - counts["not run"]
        share = (tested - counts["survived"] - counts["no test"]) / max(tested, 1)
        print(f"{package:34}{counts.total():11}{''.join(f'{counts[each]:11}' for each in columns)}{share:9.1%}")


if __name__ == "__main__":
    main()
