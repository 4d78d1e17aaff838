"""The command line: `python -m posenc_lib explain config.json` tells what a model does with position."""

from __future__ import annotations

import argparse
import io
import json
import sys

from posenc_lib import frequencies


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, or 1 with one line on the error stream where it could not be done."""
    given = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without "–" or "√" still gets the rest
    try:
        told = frequencies.explain(given.config, length=given.length, base=given.base)
    except (OSError, TypeError, ValueError) as error:
        print(f"posenc_lib: {_one_line(error)}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(told.to_dict(), indent=2))
    else:
        print(told._repr_html_() if given.html else told)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m posenc_lib", description="Positional encodings, derived.")
    commands = parser.add_subparsers(dest="command", required=True)
    explain = commands.add_parser("explain", help="tell what a model does with position, from its config.json")
    explain.add_argument("config", help="path of a config.json as transformers writes it")
    explain.add_argument("--length", type=int, help="positions in use, for rules that depend on it")
    explain.add_argument("--base", type=float, help="base of the frequencies, where the configuration has none")
    form = explain.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="facts for a program, instead of text")
    form.add_argument("--html", action="store_true", help="a fragment of HTML with a picture, instead of text")
    return parser


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
