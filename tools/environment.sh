#!/bin/sh
# Make the virtual environment FOLDER with a Python that the book's pinned packages fit: 3.11 to 3.13.
# usage: environment.sh FOLDER [PYTHON]      without PYTHON, the best one on the PATH
set -eu
folder=$1
chosen=${2:-}

stop() {
    printf '\n*** %s\n' "$@" >&2
    exit 1
}

version() {  # "3 12" for a Python that runs, nothing for one that does not
    "$1" -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null || true
}

fits() {
    case $(version "$1") in "3 11" | "3 12" | "3 13") true ;; *) false ;; esac
}

find_python() {
    for each in python3 python3.13 python3.12 python3.11 python; do
        if fits "$each"; then echo "$each" && return; fi
    done
}

command -v git >/dev/null || stop "git is missing: install it (Debian, Ubuntu: apt install git; macOS: xcode-select --install)."
if [ -n "$chosen" ]; then
    [ -n "$(version "$chosen")" ] || stop "PYTHON=$chosen is no Python that runs: name one of 3.11 to 3.13, such as PYTHON=python3.12."
    fits "$chosen" || stop "PYTHON=$chosen is Python $(version "$chosen" | tr ' ' .), and the pinned packages need 3.11 to 3.13: name another."
else
    chosen=$(find_python)
    [ -n "$chosen" ] || stop "No Python 3.11, 3.12 or 3.13 found (python3 here: $(version python3 | tr ' ' .)).
    Install one (https://www.python.org/downloads/), or name one that is not on the PATH: make PYTHON=/path/to/python3.12 book"
fi
"$chosen" -c 'import venv, ensurepip' 2>/dev/null || stop "$chosen has no venv module: install it (Debian, Ubuntu: apt install python3-venv)."
echo "==> Making $folder with $chosen (Python $(version "$chosen" | tr ' ' .))"
"$chosen" -m venv --clear "$folder"
