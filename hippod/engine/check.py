"""Reading a stopped data directory without changing it: is it sound, and what is in its log?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from hippod.engine.catalog import Catalog
from hippod.engine.directory import DataDirectory
from hippod.engine.effects import decode_effect, describe_effect
from hippod.engine.index.saved import DamagedIndex, read_manifest
from hippod.engine.store.row_store import RowStore
from hippod.errors import DamagedData, ProcessExit, UsageError
from hippod.fs import FileSystem
from hippod.wal.log import AppliedPosition
from hippod.wal.record import decode_records
from hippod.wal.scan import read_segment, scan_log, segment_files
from hippod.wal.segment import CLEAN_STOP, SEGMENT_HEADER_BYTES, SegmentHeader, read_batches

_MAP_BYTES: Final = 1 << 40


def check_directory(path: Path, out: TextIO) -> int:
    """Verify every byte of log, store and saved indexes; findings go to `out`. 0 if sound, else 65. Raises ProcessExit if in use."""
    directory = _open(path)
    try:
        damage = 0
        for finding in _store_findings(directory, out):
            damage += 1
            print(finding, file=out)
        for finding in _index_findings(directory):
            print(f"note: {finding}; it is derived data and will be rebuilt", file=out)
    finally:
        directory.close()
    print("sound" if not damage else f"{damage} findings: restore from a backup", file=out)
    return DamagedData.exit_code if damage else 0


def print_log(path: Path, out: TextIO) -> int:
    """Print the log, a line a batch and a record. Raises ProcessExit if the directory is in use or no data directory."""
    directory = _open(path)
    damaged = False
    try:
        for segment in segment_files(directory.wal):
            data = read_segment(FileSystem(), segment)
            try:
                header = SegmentHeader.decode(data)
            except ValueError as error:
                print(f"{segment.name}: unreadable: {error}", file=out)
                damaged = True
                continue
            print(f"{segment.name}: from LSN {header.first_lsn}, batch {header.first_batch}, {len(data)} bytes", file=out)
            end = SEGMENT_HEADER_BYTES
            for batch in read_batches(data, header):
                end = batch.end
                what = "clean stop" if batch.kind == CLEAN_STOP else f"LSN {batch.position.first_lsn}..{batch.position.last_lsn}"
                print(f"  batch {batch.position.number} at {batch.offset}: {what}, {batch.end - batch.offset} bytes", file=out)
                for record in decode_records(batch.payload, batch.records, batch.position.first_lsn):
                    print(f"    {record.lsn}: {describe_effect(record.operation, record.table, record.body)}", file=out)
            if end < len(data):
                print(f"  {len(data) - end} bytes from {end} on are no batch that follows", file=out)
    finally:
        directory.close()
    return DamagedData.exit_code if damaged else 0


def _open(path: Path) -> DataDirectory:
    if not (path / "FORMAT").is_file():
        raise UsageError(f"{path} is no data directory: it has no FORMAT file")
    return DataDirectory.open(path, create=False)


def _store_findings(directory: DataDirectory, out: TextIO) -> Iterator[str]:
    try:
        store = RowStore.open(directory.lmdb, _MAP_BYTES, directory.database_id, read_only=True)
    except ProcessExit as error:
        yield str(error)
        return
    try:
        applied = store.applied()
        print(f"store: applied up to LSN {applied.lsn}", file=out)
        yield from store.verify()
        catalog = Catalog()
        catalog.load(store.load_catalog())
        yield from _catalog_findings(catalog)
        tablets = [(table.number, number) for table in catalog.by_number.values() for number in table.tablet_numbers]
        rows = sum(int(alive.sum()) for where in tablets for _, alive in store.load_blocks(*where))
        print(f"store: {len(catalog.by_number)} tables, {rows} rows", file=out)
    except ProcessExit as error:
        yield str(error)
        return
    finally:
        store.close()
    yield from _log_findings(directory, applied, out)


def _catalog_findings(catalog: Catalog) -> Iterator[str]:
    """Documents that name something which does not exist: each change of the catalog leaves none."""
    for table in catalog.by_number.values():
        if table.database not in catalog.databases:
            yield f"the catalog is damaged: table {table.number} is of database {table.database!r}, which does not exist"
        if table.dropped is None and catalog.tables[table.database, table.name] is not table:
            yield f"the catalog is damaged: two tables are called {table.name!r} in database {table.database!r}"
    for alias in catalog.aliases.values():
        if not {alias.write_table or alias.tables[0], *alias.tables} <= {table.number for table in catalog.tables.values()}:
            yield f"the catalog is damaged: alias {alias.name!r} of database {alias.database!r} leads to a table that does not exist"
    for grant in catalog.grants.values():
        if grant.database not in catalog.databases or grant.user not in catalog.users or grant.table not in (None, *catalog.by_number):
            yield f"the catalog is damaged: a grant to {grant.user!r} in database {grant.database!r} is of something that does not exist"
    if catalog.users and not any(user.is_superuser for user in catalog.users.values()):
        yield "the catalog is damaged: there is no superuser"


def _log_findings(directory: DataDirectory, applied: AppliedPosition, out: TextIO) -> Iterator[str]:
    """The log must be one chain that reaches down to what is applied, and its records must be effects."""
    fs = FileSystem()
    try:
        found = scan_log(directory.wal, directory.database_id, applied, fs)
    except ProcessExit as error:
        yield str(error)
        return
    stop = "stopped in order" if found.is_clean_stop else "not stopped in order: the next start recovers"
    print(f"log: {len(found.segments)} segments up to LSN {found.last.last_lsn}, {stop}", file=out)
    if found.torn_bytes:
        print(f"note: {found.torn_bytes} bytes of an unfinished batch at its end; the next start cuts them off", file=out)
    for segment in found.segments:
        for batch in read_batches(read_segment(fs, segment.path)[: segment.size_bytes], segment.header):
            try:
                for record in decode_records(batch.payload, batch.records, batch.position.first_lsn):
                    decode_effect(record.operation, record.table, record.body)
            except (ValueError, DamagedData) as error:
                yield f"{segment.path}, offset {batch.offset}: {error}"


def _index_findings(directory: DataDirectory) -> Iterator[str]:
    for manifest in sorted(directory.index.glob("*/*/saved-*")):
        try:
            read_manifest(manifest, check_hashes=True)
        except DamagedIndex as error:
            yield f"saved index {manifest}: {error}"
