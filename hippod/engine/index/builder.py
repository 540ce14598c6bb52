"""How a generation comes to be: trained from the vector file, or loaded from what was saved, and then caught up.

What can go wrong with the files (no space, damage) never fails an index: it only costs the time to train again.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from hippod.engine.index.exact import Hits, Mask
from hippod.engine.index.generation import Generation, Misses
from hippod.engine.index.host_process import HostFailed, HostProcess
from hippod.engine.index.lane import Batch, Search
from hippod.engine.index.options import IndexOptions
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.protocol import Built, FileTask, HostSetup, Kind, TrainTask
from hippod.engine.index.recipe import Recipe
from hippod.engine.index.rows import RowSource
from hippod.engine.index.saved import FORMAT, Definition, Manifest, SavedIndexes
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.vectors import Slots, VectorFile

log = logging.getLogger("hippod.index")

Progress = Callable[[float, str], None]
# Gets a generation, the slots it was built with, and those that it has not seen.
Compare = Callable[[Generation, Slots, Slots], Awaitable[Misses]]
# Shows by its name what an index does by itself, for as long as the context lasts.
Show = Callable[[str], AbstractContextManager[Progress]]

_STRANGERS: Final = 1_024
_STRANGERS_SHARE: Final = 8


class GenerationBuilder:
    """Owned by a VectorIndex. `register` gets a generation before it catches up, to tell it of every change from then on. A graph is built
    without some rows, which it gets as it catches up; until then `compare` tells how it finds them, beside those that it was built with."""

    def __init__(
        self,
        spec: IndexSpec,
        rows: RowSource,
        pool: SearchPool,
        options: IndexOptions,
        directory: Path,
        deliver: Callable[[Batch, Hits], None],
        give_up: Callable[[list[Search]], None],
        register: Callable[[Generation], None],
        compare: Compare,
    ) -> None:
        self.saved = SavedIndexes(directory)
        self._spec = spec
        self._rows = rows
        self._pool = pool
        self._options = options
        self._deliver = deliver
        self._give_up = give_up
        self._register = register
        self._compare = compare

    async def train(self, candidates: tuple[Recipe, ...], progress: Progress) -> Generation | str:
        """A generation over the rows of now, built by the recipe, or by the best of several; or, of several, why exact search is better.

        Raises HostLost or HostFailed; whatever it raises, its host has ended.
        """
        progress(0.05, "reading")
        has_graph = any(recipe.is_graph for recipe in candidates)
        slots, strangers = await self._pool.run(_set_apart, self._rows.alive_now, _STRANGERS if has_graph else 0)
        host = await self._start_host()
        try:
            await host.send_slots(Kind.SLOTS, slots)
            progress(0.1, "training" if len(candidates) == 1 else "measuring and training")
            task = TrainTask(candidates, self._options.training_threads)
            built = msgspec.json.decode(await host.call(Kind.TRAIN, task), type=Built)
            if built.recipe is None:
                await host.close()
                return built.reason
            generation = self._generation(host, built.recipe, len(slots) + len(strangers), 0, uuid.uuid4().hex)
            if len(strangers):
                if built.recipe.is_graph:
                    progress(0.75, "comparing rows with strangers")
                    generation.misses = await self._compare(generation, slots, strangers)
                await generation.absorb(strangers)
            progress(0.8, "saving")
            await self.save(generation)
            progress(0.9, "catching up")
            self._register(generation)
            await generation.catch_up(self._rows, self._pool, np.concatenate((slots, strangers)))
        except BaseException:
            host.kill()
            raise
        return generation

    async def load(self) -> Generation | None:
        """The generation that was saved last for this definition, or None if there is none that holds. Raises HostLost."""
        found = await self._pool.run(self.saved.latest, _definition(self._spec))
        if found is None:
            return None
        path, manifest, row_ids = found
        positions = await self._pool.run(_slots_of, self._rows.row_ids, row_ids)
        host = await self._start_host()
        try:
            await host.send_slots(Kind.SLOTS, positions)
            await host.call(Kind.LOAD, FileTask(str(path)))
            generation = self._generation(host, manifest.recipe, manifest.trained_rows, manifest.removed_rows, manifest.training)
            generation.misses = manifest.misses
            self._register(generation)
            await generation.catch_up(self._rows, self._pool, positions)
        except HostFailed as error:
            log.warning("a saved index does not load and is trained again: %s", error)
            host.kill()
            await self._pool.run(self.saved.discard, path)
            return None
        except BaseException:
            host.kill()
            raise
        return generation

    async def save(self, generation: Generation) -> bool:
        """Save what the generation has trained and absorbed; False, with a warning in the log, if that fails. Raises HostLost."""
        changed, removed = generation.changed_rows, generation.removed_rows
        try:
            building = await self._pool.run(self.saved.begin)
            positions = np.frombuffer(await generation.host.call(Kind.SAVE, FileTask(str(building))), np.int64)
            row_ids = self._rows.row_ids
            manifest = Manifest(
                FORMAT, _definition(self._spec), generation.recipe, generation.trained_rows, removed, generation.training, generation.misses
            )
            await self._pool.run(lambda: self.saved.commit(building, _row_ids_of(row_ids, positions), manifest))
        except (OSError, HostFailed) as error:
            log.warning("a trained index could not be saved; it will be trained again after a restart: %s", error)
            return False
        generation.changed_rows -= changed
        return True

    async def _start_host(self) -> HostProcess:
        vectors = self._rows.vectors
        assert isinstance(vectors, VectorFile), "sparse vectors are never trained"
        return await HostProcess.start(HostSetup(str(vectors.path), vectors.width, vectors.dtype.name, self._spec.metric.value))

    def _generation(self, host: HostProcess, recipe: Recipe, trained_rows: int, removed_rows: int, training: str) -> Generation:
        return Generation(host, recipe, trained_rows, removed_rows, training, self._options, self._deliver, self._give_up)


def _set_apart(alive: Mask, count: int) -> tuple[Slots, Slots]:
    """The living slots without `count` of them, or an eighth, and those; both ascend."""
    living = np.flatnonzero(alive)
    apart = np.random.default_rng(len(living)).permutation(len(living))[: min(count, len(living) // _STRANGERS_SHARE)]
    return np.delete(living, apart), np.sort(living[apart])


def _definition(spec: IndexSpec) -> Definition:
    return Definition(spec.type, spec.metric, spec.dimension)


def _slots_of(row_ids: Slots, wanted: Slots) -> Slots:
    """The slot of each wanted row_id, -1 where there is none; `row_ids` ascend by slot."""
    if not len(row_ids):
        return np.full(len(wanted), -1, np.int64)
    slots = np.minimum(np.searchsorted(row_ids, wanted), len(row_ids) - 1)
    return np.where(row_ids[slots] == wanted, slots, -1)


def _row_ids_of(row_ids: Slots, slots: Slots) -> Slots:
    """The row_id at each slot, 0 (which no row has) for slot -1."""
    return np.where(slots >= 0, row_ids[np.maximum(slots, 0)], 0)
