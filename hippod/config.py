"""All settings of the server: their defaults, where they may come from, and what they may be.

A setting comes from, first found: the command line, the environment (HIPPOD_...), the TOML file, its default. The sections `net`,
`engine` and `index` are the options of those packages, declared where they are read.

    TOML                            environment
    data_dir = "/var/lib/hippod"    HIPPOD_DATA_DIR=/var/lib/hippod
    [net]
    idle_timeout_s = 300            HIPPOD_NET_IDLE_TIMEOUT_S=300
"""

from __future__ import annotations

import dataclasses
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from hippod.engine.index.options import IndexOptions
from hippod.engine.options import EngineOptions
from hippod.errors import ConfigurationError
from hippod.net.options import NetOptions

PREFIX: Final = "HIPPOD_"
PASSWORD: Final = "HIPPOD_PASSWORD"  # noqa: S105 # the name of a variable
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("text", "json")
PASSWORD_BYTES_MAX: Final = 1_024


@dataclasses.dataclass(frozen=True, slots=True)
class ProcessOptions:
    """What concerns the process itself; these have flags of their own."""

    data_dir: str = ""
    host: str = "127.0.0.1"
    port: int = 8901
    rest_port: int = 8902
    password_file: str = ""
    log_level: str = "info"
    log_format: str = "text"


_SECTIONS: Final[dict[str, type]] = {"": ProcessOptions, "net": NetOptions, "engine": EngineOptions, "index": IndexOptions}
_TYPES: Final = {"str": str, "int": int, "float": float, "bool": bool}
_MAY_BE_ZERO: Final = frozenset({"port", "rest_port", "engine.free_bytes_min"})


class Setting(NamedTuple):
    """`origin` says where the value came from, for people."""

    name: str
    value: Any
    origin: str


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """`initial_password` is None where none was given."""

    process: ProcessOptions
    net: NetOptions
    engine: EngineOptions
    settings: tuple[Setting, ...]


def load_config(flags: Mapping[str, str | None], environment: Mapping[str, str], file: Path | None) -> Config:
    """Raises ConfigurationError (78) that names the key and where it stands; nothing has been started then."""
    known = dict(_known())
    found: dict[str, Setting] = {}
    if file is not None:
        for setting in _from_file(file, known):
            found[setting.name] = setting
    for setting in _from_environment(environment, known):
        found[setting.name] = setting
    for name, text in flags.items():
        if text is not None:
            found[name] = Setting(name, _convert(name, text, known[name], "the command line"), "command line")
    _check_choices(found)
    values = {name: found[name].value for name in found}
    password = _password(environment, values.get("password_file", ""))
    data_dir = values.get("data_dir", "")
    sections = {section: {n.partition(".")[2]: v for n, v in values.items() if n.partition(".")[0] == section} for section in _SECTIONS}
    engine = EngineOptions(
        data_dir=Path(data_dir), initial_password=password, index=IndexOptions(**sections["index"]), **sections["engine"]
    )
    process = ProcessOptions(**{name: value for name, value in values.items() if "." not in name})
    everything = tuple(found.get(name, Setting(name, default, "default")) for name, default in _defaults())
    return Config(process, NetOptions(**sections["net"]), engine, everything)


def _fields() -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    """Every setting by its dotted name; the data directory and what is composed here have one place."""
    for section, options in _SECTIONS.items():
        for field in dataclasses.fields(options):
            if section == "engine" and field.name in ("data_dir", "initial_password", "index"):
                continue
            yield f"{section}.{field.name}" if section else field.name, field


def _known() -> Iterator[tuple[str, type]]:
    return ((name, _TYPES[str(field.type)]) for name, field in _fields())


def _defaults() -> Iterator[tuple[str, Any]]:
    return ((name, field.default) for name, field in _fields())


def _from_file(file: Path, known: Mapping[str, type]) -> Iterator[Setting]:
    try:
        text = file.read_text()
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration file {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from error
    for key, value in document.items():
        pairs = [(f"{key}.{k}", v) for k, v in value.items()] if isinstance(value, dict) else [(key, value)]
        for name, content in pairs:
            where = f"{file}, line {_line_of(text, name)}"
            if name in ("password", "initial_password"):
                raise ConfigurationError(f"{where}: a password does not belong into this file; set password_file to a file with it")
            if name not in known:
                raise ConfigurationError(f"{where}: unknown setting {name!r}; `hippod check-config` lists all")
            yield Setting(name, _convert(name, content, known[name], where), where)


def _line_of(text: str, name: str) -> int:
    """The line where a setting stands, for its error message."""
    section, _, key = name.rpartition(".")
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([\w.-]+)\s*\]", line)
        if header:
            current = header[1]
        elif current == section and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return 1


def _from_environment(environment: Mapping[str, str], known: Mapping[str, type]) -> Iterator[Setting]:
    names = {PREFIX + name.replace(".", "_").upper(): name for name in known}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in (PASSWORD, PREFIX + "CONFIG"):
            continue
        if variable not in names:
            raise ConfigurationError(f"unknown setting in the environment: {variable}; `hippod check-config` lists all")
        name = names[variable]
        yield Setting(name, _convert(name, text, known[name], variable), variable)


def _convert(name: str, value: Any, wanted: Any, where: str) -> Any:
    converted: Any = value
    if isinstance(value, str) and wanted in (int, float):
        try:
            converted = wanted(value)
        except ValueError:
            raise ConfigurationError(f"{where}: {name} is a number, not {value[:40]!r}") from None
    if wanted is float and isinstance(converted, int) and not isinstance(converted, bool):
        converted = float(converted)
    if type(converted) is not wanted:
        raise ConfigurationError(f"{where}: {name} is of type {wanted.__name__}, not {type(converted).__name__}")
    if wanted in (int, float) and not (converted > 0 or (converted == 0 and name in _MAY_BE_ZERO)):
        raise ConfigurationError(f"{where}: {name} must be above zero, not {converted}")
    if name in ("port", "rest_port") and converted > 65_535:
        raise ConfigurationError(f"{where}: {name} is from 0 (any free one) to 65535, not {converted}")
    return converted


def _check_choices(found: Mapping[str, Setting]) -> None:
    for name, choices in (("log_level", LOG_LEVELS), ("log_format", LOG_FORMATS)):
        if name in found and found[name].value not in choices:
            raise ConfigurationError(f"{found[name].origin}: {name} is one of {', '.join(choices)}, not {found[name].value!r}")


def _password(environment: Mapping[str, str], file: str) -> str | None:
    """The superuser's password from the environment or a file that only its owner can read."""
    password = environment.get(PASSWORD)
    if password is None and file:
        path = Path(file)
        try:
            if path.stat().st_mode & (stat.S_IRWXO | stat.S_IRWXG):
                raise ConfigurationError(f"the password file {path} can be read by others: chmod 600 {path}")
            password = path.read_text().removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read the password file {path}: {error}") from error
    if password is not None and not 1 <= len(password.encode()) <= PASSWORD_BYTES_MAX:
        raise ConfigurationError(f"a password has 1 to {PASSWORD_BYTES_MAX} bytes")
    return password
