"""Pytest plugin: makes nbval see all of a notebook's stored outputs.

nbval runs each cell and compares text exactly. It lets through a picture that was replaced, a cell
whose outputs were deleted, and a cell that never ran, and it fails on the last digit of a number.
This plugin, loaded by the project's pytest configuration, fails on the former and passes the latter;
what makes two outputs the same is written in ``tools/notebook_outputs.py``. Without ``--nbval`` it
does nothing.
"""

import os

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile
from notebook_outputs import comparable, faults, has_picture, picture_difference, settle

FACTS_ONLY = "picture compared by its facts alone"
# nbval's ways not to look at a cell. An output that cannot be compared cannot be kept true.
EVASIONS = ("nbval-skip", "nbval-ignore-output", "NBVAL_SKIP", "NBVAL_IGNORE_OUTPUT", "PYTEST_VALIDATE_IGNORE_OUTPUT")
SYNC = "run `make sync`, look at what changed, and commit it"


def pytest_configure(config):
    if config.option.nbval:
        # The kernels inherit these. One thread: the last digits of a sum depend on how many share it.
        os.environ["OMP_NUM_THREADS"] = "1"
        os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
        # This checkout's library before any installed one.
        os.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, [str(config.rootpath), os.environ.get("PYTHONPATH")])
        )


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    collectors = yield
    return [
        StrictNotebook.from_parent(parent, path=file_path) if isinstance(each, IPyNbFile) else each
        for each in collectors
    ]


def pytest_terminal_summary(terminalreporter):
    reports = terminalreporter.stats.get("passed", [])
    count = sum(FACTS_ONLY in dict(getattr(report, "user_properties", [])) for report in reports)
    if count:
        terminalreporter.section("pictures")
        terminalreporter.line(
            "Cells whose pictures were compared by facts, not pixels "
            f"(another matplotlib drew the stored ones): {count}"
        )


class StrictNotebook(IPyNbFile):
    """A notebook whose cells must hold the outputs of one run from top to bottom."""

    def collect(self):
        ran = 0
        for each in super().collect():
            cell = StrictCell.from_parent(
                self, name=each.name, cell_num=each.cell_num, cell=each.cell, options=each.options
            )
            if each.cell.source.strip():
                ran += 1
                cell.expected_count = ran
            yield cell


class StrictCell(IPyNbCell):
    """A code cell all of whose stored outputs must be the ones it gives."""

    expected_count = None  # an empty cell does not run

    def runtest(self):
        self._check_stored()
        super().runtest()

    def _check_stored(self):
        count = self.cell.execution_count
        if count is None and self.expected_count:
            self.raise_cell_error(f"This cell has no stored run: {SYNC}.")
        if count != self.expected_count:
            self.raise_cell_error(
                f"This cell is stored as run number {count}, but stands as number {self.expected_count}: {SYNC}."
            )
        evasions = [mark for mark in EVASIONS if mark in self.cell.source or mark in self.cell.metadata.get("tags", [])]
        if evasions:
            self.raise_cell_error(f"This cell is kept from the check by {evasions[0]}. Print less, or round it.")
        self._reject(faults(self.cell.outputs), "stored output")

    def compare_outputs(self, test, ref, skip_compare=None):
        """nbval's comparison, of all but the last digits, and then of the pictures."""
        # The traceback of an expected error names files; only the stored one, which readers see, is shortened.
        self._reject(faults([each for each in test if each.output_type != "error"]), "output")
        settled = settle(ref, test)
        if not super().compare_outputs(settled, ref, skip_compare):
            return False
        if len(ref) != len(settled):
            self.comparison_traceback.append(f"{len(ref)} stored outputs, {len(settled)} new")
            return False
        for stored, fresh in zip(ref, settled, strict=True):
            difference = self._picture_difference(stored, fresh)
            if difference:
                self.comparison_traceback.append(f"picture: {difference}")
                return False
        return True

    def _picture_difference(self, stored, fresh):
        if not has_picture(stored) and not has_picture(fresh):
            return None
        if has_picture(stored) and has_picture(fresh) and not comparable(stored, fresh):
            # Which version drew the stored ones is the business of test_chapters.py.
            self.user_properties.append((FACTS_ONLY, True))
            return None
        return picture_difference(stored, fresh)

    def _reject(self, found, where):
        if found:
            self.raise_cell_error(f"The {where} of this cell {'; it '.join(found)}")
