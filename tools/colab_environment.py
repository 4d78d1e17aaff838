"""Environments near Google Colab's, in .venv-colab, for the tests of the chapters: made here, used by tests/colab.

    python tools/colab_environment.py      make or renew them, and say how they differ from Colab

Colab's versions stand in tests/colab/versions.json. No environment can have them all here, so there are two:
"torch" has the tests' own Python and pinned torch, "python" has Colab's Python and no torch. Neither has posenc_lib:
a chapter's first cell brings it.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLAB = json.loads((ROOT / "tests/colab/versions.json").read_text())
TAKEN_FROM_COLAB = ("numpy", "matplotlib", "ipython", "ipykernel")
MEASURE = f"""
import importlib.metadata, json, sys
found = {{each.metadata["name"].lower(): each.version for each in importlib.metadata.distributions()}}
python = "%d.%d" % sys.version_info[:2]
print(json.dumps({{"python": python}} | {{name: found.get(name) for name in {list(COLAB)[1:]}}}))
"""


class CannotMake(Exception):
    """An environment could not be made; the message says why and what to do."""


@dataclass(frozen=True)
class Environment:
    """One environment: its name, the Python it is made with, and whether torch is in it."""

    name: str
    base: str
    has_torch: bool

    @property
    def folder(self):
        return ROOT / ".venv-colab" / self.name

    @property
    def python(self):
        return str(self.folder / "bin/python")

    def contents(self):
        """What it is made of. A stamp with this text says that it is complete, and a changed text that it is stale."""
        packages = [f"{name}=={COLAB[name]}" for name in TAKEN_FROM_COLAB] + ["torch"] * self.has_torch
        return "\n".join([self.base, f"pip=={COLAB['pip']}", *packages, *constraints()])

    def make(self):
        """Make it, unless it is there and up to date."""
        stamp = self.folder / "stamp"
        if stamp.exists() and stamp.read_text() == self.contents():
            return
        torch = " and torch" * self.has_torch
        print(f"==> Making {self.folder.relative_to(ROOT)} with Colab's packages{torch} (a minute)", flush=True)
        call(self.base, "-m", "venv", "--clear", str(self.folder))
        _, pip, *rest = self.contents().splitlines()
        call(self.python, "-m", "pip", "install", pip)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(constraints()))
            file.flush()
            wanted = [each for each in rest if each not in constraints()]
            # Not compiling here leaves torch's thousands of modules to be compiled as they are used: few are.
            call(self.python, "-m", "pip", "install", "--no-compile", "--constraint", file.name, *wanted)
        stamp.write_text(self.contents())

    def measure(self):
        """The version that it has of everything that versions.json names; None for what it lacks."""
        return json.loads(
            subprocess.run([self.python, "-c", MEASURE], check=True, capture_output=True, text=True).stdout
        )

    def differences(self):
        """What differs from Colab, as {name: (here, on Colab)}."""
        return {
            name: (here, COLAB[name])
            for name, here in self.measure().items()
            if here is None or not f"{here}.".startswith(f"{COLAB[name]}.")
        }


def constraints():
    """Our pinned packages, less those that come in Colab's version."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line.split("#")[0].strip() for line in lines if re.match(r"\w", line)]
    return [pin for pin in pins if pin.split("==")[0].lower() not in TAKEN_FROM_COLAB]


def call(*command):
    """Run a command in the open; CannotMake if it fails."""
    if subprocess.run(command).returncode:
        raise CannotMake(
            f"This failed: {' '.join(command)}\nCan the package registry be reached? Then run the tests again."
        )


def colab_python():
    """A Python of Colab's version: the one that runs this, one on the PATH, one of pyenv's; None if there is none."""
    name = f"python{COLAB['python']}"
    found = [sys.executable, shutil.which(name)]
    if pyenv := shutil.which("pyenv"):
        home = Path(subprocess.run([pyenv, "root"], capture_output=True, text=True).stdout.strip())
        found += sorted(map(str, home.glob(f"versions/{COLAB['python']}.*/bin/{name}")))
    is_it = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{COLAB['python']}')"
    runs = (each for each in found if each and not subprocess.run([each, "-c", is_it], capture_output=True).returncode)
    return next(runs, None)


def environments():
    """The two environments; the second is None where Colab's Python is not installed."""
    python = colab_python()
    return Environment("torch", sys.executable, True), python and Environment("python", python, False)


def main():
    """Make both, and say what differs from Colab."""
    for environment in filter(None, environments()):
        environment.make()
        differences = [
            f"{name} {here or 'absent'} (Colab {there})" for name, (here, there) in environment.differences().items()
        ]
        print(f"==> .venv-colab/{environment.name} is as Colab but for: {', '.join(differences) or 'nothing'}")


if __name__ == "__main__":
    try:
        main()
    except CannotMake as problem:
        sys.exit(f"*** {problem}")
