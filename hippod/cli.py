"""The `hippod` command: what it takes, and which part of the server it calls."""

from __future__ import annotations

import os

# Before numpy is loaded: its own threads would compete with the search threads and the index hosts.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, NoReturn

from hippod.config import LOG_FORMATS, LOG_LEVELS, Config, load_config
from hippod.errors import ProcessExit, UsageError
from hippod.logs import setup_logs

_DESCRIPTION: Final = """\
A vector database server. Start one, then talk to it with the hippod-client package:

    hippod serve --data-dir ./data
    python -c "from hippod_client.sync import Client; print(Client().status())"
"""
_SERVE: Final = """\
Run the server until SIGTERM or Ctrl-C. When it accepts connections it prints one line to stdout:

    ready native=127.0.0.1:8901 rest=127.0.0.1:8902

Logs go to stderr. Everything acknowledged survives a crash; a second Ctrl-C stops at once and loses nothing either.
All settings can also come from the environment (HIPPOD_PORT=...) or a TOML file; `hippod check-config` lists them.

exit codes: 0 stopped in order, 64 wrong usage, 65 damaged data, 73 data directory or port in use, 74 disk failure,
77 no permission, 78 wrong configuration
"""
_CHECK: Final = """\
Read every byte of a stopped server's data directory and report what is damaged. Changes nothing.
Exit code 0: sound. 65: damaged; each finding is printed with its place.
"""
_WAL: Final = """\
Print the write-ahead log of a stopped server: one line a batch, one for each record in it. Changes nothing.
"""
_CHECK_CONFIG: Final = """\
Check the configuration that `serve` with the same flags would have, and print every setting with its value and origin.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n{self.format_usage().strip()}\nTry '{self.prog} --help'.")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command."""
    try:
        return _run(build_parser().parse_args(arguments))
    except ProcessExit as error:
        print(f"hippod: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has seen enough; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="hippod", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"hippod {version('hippod')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def add(name: str, text: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, description=text, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)

    _add_settings(add("serve", _SERVE, "run the server"))
    for name, text, summary in (("check", _CHECK, "verify a stopped data directory"), ("wal", _WAL, "print the log for people")):
        add(name, text, summary).add_argument("directory", type=Path, metavar="DIR", help="the data directory")
    _add_settings(add("check-config", _CHECK_CONFIG, "check and print the configuration"))
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", metavar="DIR", help="where the data lie; made if it does not exist")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", help="port of the native protocol (default 8901); 0 takes any free one")
    parser.add_argument("--rest-port", help="port of the Hippo REST API (default 8902); 0 takes any free one")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML")
    parser.add_argument("--password-file", metavar="FILE", help="the superuser's password, in a file that only you can read")
    parser.add_argument("--log-level", help=f"{', '.join(LOG_LEVELS)} (default info)")
    parser.add_argument("--log-format", help=f"{', '.join(LOG_FORMATS)} (default text)")


def _run(arguments: argparse.Namespace) -> int:
    # Each command loads only what it needs: --help and usage errors stay quick.
    if arguments.command in ("check", "wal"):
        from hippod.engine import check

        inspect = check.check_directory if arguments.command == "check" else check.print_log
        return inspect(arguments.directory, sys.stdout)
    config = _config(arguments)
    if arguments.command == "check-config":
        width = max(len(setting.name) for setting in config.settings)
        for setting in config.settings:
            print(f"{setting.name:{width}}  {setting.value!r:24}  # {setting.origin}")
        return 0
    if not config.process.data_dir:
        raise UsageError("serve needs a data directory: hippod serve --data-dir DIR")
    from hippod.serve import serve

    setup_logs(config.process.log_level, config.process.log_format)
    serve(config)
    return 0


def _config(arguments: argparse.Namespace) -> Config:
    names = ("data_dir", "host", "port", "rest_port", "password_file", "log_level", "log_format")
    file = arguments.config
    if file is None and os.environ.get("HIPPOD_CONFIG"):
        file = Path(os.environ["HIPPOD_CONFIG"])
    return load_config({name: getattr(arguments, name) for name in names}, os.environ, file)
