"""Put the wheels that the website serves into a folder: the released ones as they were, and the new one if it is new.

    python tools/released_wheels.py NEW.whl RELEASED_FOLDER TARGET_FOLDER

A chapter that somebody saved names the wheel of its time, so a wheel once released stays, and is never built again
under its name: where the library changed and the version did not, this stops.
"""

import shutil
import sys
import zipfile
from pathlib import Path


def library_files(wheel):
    """What a wheel installs, without the files that describe the wheel itself."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def changed_files(new, released):
    """The names of the library's files that two wheels do not have in common."""
    before, after = library_files(released), library_files(new)
    return sorted(name for name in before | after if before.get(name) != after.get(name))


def gather(new, released, target):
    """Copy the wheels to the target folder; True if the new one is to be released."""
    target.mkdir(parents=True, exist_ok=True)
    for wheel in released.glob("*.whl"):
        shutil.copy(wheel, target)
    same_name = released / new.name
    if not same_name.exists():
        shutil.copy(new, target)
        return True
    if changed := changed_files(new, same_name):
        raise SystemExit(
            f"{new.name} is released, and the library has changed since: {', '.join(changed)}.\n"
            "Raise the version in pyproject.toml, run `make address`, and commit both."
        )
    return False


if __name__ == "__main__":
    new, released, target = map(Path, sys.argv[1:])
    print("new" if gather(new, released, target) else "released")
