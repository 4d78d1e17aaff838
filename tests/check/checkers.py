"""What the tests of the checkers share."""

import sys


def exercise_of(method):
    """The specification behind check.<method>; the name itself is the function."""
    return sys.modules[f"posenc_lib.check.{method}"].EXERCISE


def assert_named(checker, fn, diagnosis):
    """A wrong function gets this name, and three hints."""
    report = checker(fn)
    assert not report.passed
    assert report.diagnosis == diagnosis, str(report)
    assert all(report.hint(level) for level in (1, 2, 3))
