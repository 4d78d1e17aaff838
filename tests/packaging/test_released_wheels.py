"""Which wheels the website serves: a released one stays as it was, for good."""

import zipfile

import pytest
import released_wheels


@pytest.fixture
def folders(tmp_path):
    for name in ("dist", "released"):
        (tmp_path / name).mkdir()
    return tmp_path


def write_wheel(path, code, generator="a"):
    version = path.name.split("-")[1]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("posenc_lib/__init__.py", code)
        archive.writestr(f"posenc_lib-{version}.dist-info/WHEEL", generator)
    return path


def gather(folders):
    (new,) = (folders / "dist").iterdir()
    is_new = released_wheels.gather(new, folders / "released", folders / "site/wheels")
    return is_new, {path.name: path.read_bytes() for path in (folders / "site/wheels").iterdir()}


def test_the_first_wheel_of_a_repository_is_new(folders):
    new = write_wheel(folders / "dist/posenc_lib-0.1.0-py3-none-any.whl", "x = 1")
    assert gather(folders) == (True, {new.name: new.read_bytes()})


def test_a_new_version_stands_beside_the_old_ones(folders):
    old = write_wheel(folders / "released/posenc_lib-0.1.0-py3-none-any.whl", "x = 1")
    new = write_wheel(folders / "dist/posenc_lib-0.2.0-py3-none-any.whl", "x = 2")
    assert gather(folders) == (True, {old.name: old.read_bytes(), new.name: new.read_bytes()})


def test_a_released_wheel_is_served_as_it_was_released(folders):
    old = write_wheel(folders / "released/posenc_lib-0.1.0-py3-none-any.whl", "x = 1", generator="older backend")
    write_wheel(folders / "dist/posenc_lib-0.1.0-py3-none-any.whl", "x = 1")
    assert gather(folders) == (False, {old.name: old.read_bytes()})


def test_a_changed_library_under_a_released_version_stops(folders):
    write_wheel(folders / "released/posenc_lib-0.1.0-py3-none-any.whl", "x = 1")
    write_wheel(folders / "dist/posenc_lib-0.1.0-py3-none-any.whl", "x = 2")
    with pytest.raises(SystemExit) as stop:
        gather(folders)
    assert "the library has changed since: posenc_lib/__init__.py." in str(stop.value)
    assert "Raise the version" in str(stop.value)
