"""The order of all tests."""

SLOWEST = ("tests/site/", "tests/colab/")


def pytest_collection_modifyitems(items):
    """Begin with the slowest files, so that two workers end at the same time."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOWEST))
