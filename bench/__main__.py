"""The command: measure the figures, print the table, leave JSON beside it.

python -m bench [--only NAME] [--data DIR] [--rows N] [--quick] [--resume]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from bench.data import Generated, Packages, Source
from bench.figures import FIGURES, Bench
from bench.figures.base import SECONDS, SECONDS_QUICK
from bench.other_vectors import Signs, Words
from bench.report import Report

OUT: Final = Path(__file__).parent / "out"
_ROWS: Final = 1_000_000
_ROWS_QUICK: Final = 100_000


def main() -> int:
    """The exit code: 0 if every figure that was measured holds."""
    arguments = _parser().parse_args()
    rows = arguments.rows or (_ROWS_QUICK if arguments.quick else _ROWS)
    packages = Packages(arguments.data)
    sources: dict[str, Source] = {
        "packages": packages,
        "signs": Signs(packages),
        "words": Words(packages),
        "generated": Generated(rows),
    }
    seconds = SECONDS_QUICK if arguments.quick else SECONDS
    options = {**{name: source.title for name, source in sources.items()}, "seconds a load": str(seconds)}
    path = OUT / "latest.json"
    report = _begin(path, options, resume=arguments.resume)
    chosen = [figure for figure in FIGURES if not arguments.only or figure.name in arguments.only]
    bench = Bench(sources, seconds, _say)
    try:
        for figure in chosen:
            if figure.key in report.rows:
                continue
            _say(f"== {figure.what}: {sources[figure.data].title}")
            report.rows[figure.key] = figure.measure(bench, sources[figure.data])
            report.write(path)
    finally:
        bench.close()
    print(report.table())
    return 0 if all(row.holds for group in report.rows.values() for row in group) else 1


def _begin(path: Path, options: dict[str, str], *, resume: bool) -> Report:
    """A new report, or the last one if it is to be gone on with and was made with the same options."""
    if resume and path.exists():
        try:
            last = Report.read(path)
        except msgspec.MsgspecError as error:
            raise SystemExit(f"{path} cannot be gone on with: {error}") from None
        if last.options != options:
            raise SystemExit(f"{path} was measured with {last.options}, not {options}: leave --resume out")
        return last
    return Report.begin(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = sorted({figure.name for figure in FIGURES})
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"a figure to measure: {', '.join(names)}")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the package set; without it the 5,000 packages of the demo are taken")
    parser.add_argument("--rows", type=int, metavar="N", help=f"rows of the generated set, {_ROWS:,} unless it is given")
    parser.add_argument("--quick", action="store_true", help="short loads and 100,000 generated rows: to see that it works")
    parser.add_argument("--resume", action="store_true", help="keep what the last run, made with the same options, has measured")
    return parser


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
