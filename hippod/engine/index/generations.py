"""Keeping a trained generation in service: when to train, what to do when a host dies, and whose place it takes.

    no generation, enough rows     load the saved one, else train; again and again with back-off until one serves
    generation outgrown            train the next while it serves, unless `auto_compaction` is off
    generation's host died         as "no generation"; its searches are answered exactly
    too few rows left              no generation at all
    AUTO measured exact to be best no generation either, until there are many more rows

One thing happens at a time (`_building`): a job of a client or the background task. A new generation replaces the old
one by one assignment; the old one answers what it has and ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hippod.engine.index.builder import Compare, GenerationBuilder, Progress, Show
from hippod.engine.index.exact import Hits
from hippod.engine.index.generation import GROWTH, Generation
from hippod.engine.index.host_process import HostFailed, HostLost
from hippod.engine.index.hosts import HostPool
from hippod.engine.index.lane import Batch, Search
from hippod.engine.index.pool import SearchPool
from hippod.engine.index.recipe import available_engines
from hippod.engine.index.rows import RowSource
from hippod.engine.index.spec import IndexSpec
from hippod.engine.index.vectors import Slots
from hippod.errors import Internal, WrongState

log = logging.getLogger("hippod.index")

_BUILD_ATTEMPTS: Final = 3
_STEADY_S: Final = 60.0
_SAVE_ROWS_MIN: Final = 1_000
_SAVE_SHARE: Final = 0.02


class Generations:
    """Owned by a VectorIndex, on the event loop. `current` answers searches; None: search exactly. `under_way`: for people, what a
    training does now; empty if there is none."""

    def __init__(
        self,
        spec: IndexSpec,
        rows: RowSource,
        hosts: HostPool,
        directory: Path,
        pool: SearchPool,
        deliver: Callable[[Batch, Hits], None],
        give_up: Callable[[list[Search]], None],
        serve: Callable[[Generation | None], None],
        compare: Compare,
        show: Show,
    ) -> None:
        """`serve` is told whenever another generation, or none, is the current one; `show` trainings that nobody asked for."""
        self.current: Generation | None = None
        self._serve = serve
        self._show = show
        self.auto_compaction = True
        self.deletion_share_max = hosts.options.deletion_share_max
        self.under_way = ""
        self._exact_rows = 0
        self._why_exact = ""
        self._spec = spec
        self._rows = rows
        self._hosts = hosts
        self.options = hosts.options
        self._pool = pool
        self._builder = GenerationBuilder(spec, rows, pool, hosts.options, directory, deliver, give_up, self._register, compare)
        self._next: Generation | None = None
        self._enabled = False
        self._has_place = False
        self._building = asyncio.Lock()
        self._background: asyncio.Task[None] | None = None
        self._retiring: dict[asyncio.Task[None], Generation] = {}
        self._failures = 0
        self._serving_since = 0.0

    def begin(self) -> None:
        """Keep a generation in service from now on, once there are rows enough for one."""
        self._enabled = True
        self.consider()

    async def build(self, progress: Progress) -> None:
        """Train now, if there is something to train and a place for a host; else that happens by itself in time.

        Raises Internal if hosts keep failing and WrongState if `stop` is called meanwhile. When cancelled, the host that
        trains is killed and everything is as before.
        """
        self._enabled = True
        self._exact_rows, self._why_exact = 0, ""
        if self._must_wait():
            self.consider()
            progress(1.0, "exact until an index host is free")
            return
        async with self._building:
            for attempt in range(_BUILD_ATTEMPTS):
                try:
                    await self._renew(progress)
                except (HostLost, HostFailed) as error:
                    log.warning("a training failed (attempt %d of %d): %s", attempt + 1, _BUILD_ATTEMPTS, error)
                    last = error
                else:
                    break
            else:
                raise Internal(f"training failed {_BUILD_ATTEMPTS} times: {last}")
        self.consider()
        progress(1.0, "trained" if self.current is not None else "exact")

    async def resume(self) -> None:
        """Serve from the saved files if they hold, else begin to train in the background."""
        self._enabled = True
        if self.is_trainable() and not self._must_wait():
            try:
                async with self._building:
                    await self._load()
            except HostLost as error:
                log.warning("an index could not be loaded and is tried again: %s", error)
        self.consider()

    async def stop(self, *, save: bool) -> None:
        """End all hosts; `save`: after keeping what the trained part has learned since it was saved."""
        self._enabled = False
        if self._background is not None:
            self._background.cancel()
            await asyncio.wait([self._background])
        if self._next is not None:
            self._next.host.kill()
        generation, self.current = self.current, None
        self._serve(None)
        if generation is not None:
            if save and generation.changed_rows > max(_SAVE_ROWS_MIN, _SAVE_SHARE * generation.trained_rows):
                await self._save(generation)
            await generation.close()
        for retiring in list(self._retiring.values()):
            await retiring.close()
        self._leave_place()

    def kill(self) -> None:
        """End all hosts at once and remove the saved files; `stop` waits until the hosts have ended."""
        self._enabled = False
        if self._background is not None:
            self._background.cancel()
        for generation in (self.current, self._next, *self._retiring.values()):
            if generation is not None:
                generation.host.kill()
        if self.current is not None:
            self._retire(self.current)
        self.current = None
        self._serve(None)
        self._leave_place()
        self._pool.run(self._builder.saved.clear)

    def rows_added(self, first_slot: int, count: int) -> None:
        for generation in (self.current, self._next):
            if generation is not None:
                generation.rows_added(first_slot, count)
        self.consider()

    def rows_removed(self, slots: Slots) -> None:
        for generation in (self.current, self._next):
            if generation is not None:
                generation.rows_removed(slots)
        self.consider()

    def is_trainable(self) -> bool:
        """Whether the rows of now are enough, and the platform able, to train; and many more than those that AUTO left exact."""
        live = self._rows.live_count
        return live >= max(self.options.train_rows_min, GROWTH * self._exact_rows) and bool(self._spec.candidates(live))

    def consider(self) -> None:
        """Begin in the background what the state of now asks for, unless something is under way."""
        if not self._enabled or self._background is not None or self._building.locked():
            return
        generation = self.current
        is_outgrown = (
            generation is not None and self.auto_compaction and generation.is_outgrown(self._rows.live_count, self.deletion_share_max)
        )
        wanted = self.is_trainable() if generation is None else is_outgrown
        if wanted:
            self._background = asyncio.get_running_loop().create_task(self._keep_serving())
            self._background.add_done_callback(self._background_ended)

    def why_exact(self) -> str:
        """For people: why no generation answers."""
        if self._spec.answers_exactly:
            return self._spec.answers_exactly
        if not self._enabled:
            return "exact"
        if self._why_exact:
            return f"exact; {self._why_exact}"
        if not available_engines():
            return "exact: no engine of trained indexes is installed on this platform"
        if not self.is_trainable():
            return f"exact: trains by itself from {self.options.train_rows_min} rows"
        return "exact: waits for an index host" if self._must_wait() else "exact: an index host is being prepared"

    def _must_wait(self) -> bool:
        return self.is_trainable() and self._hosts.is_full and not self._has_place

    def _background_ended(self, _task: asyncio.Task[None]) -> None:
        self._background = None
        self.consider()

    async def _keep_serving(self) -> None:
        """Bring about the generation that is wanted; try until it is there."""
        while self._enabled:
            if self._failures:
                await asyncio.sleep(min(self.options.restart_delay_s * 2 ** min(self._failures - 1, 30), self.options.restart_delay_max_s))
            try:
                async with self._building:
                    if self.current is not None or not await self._load():
                        with self._show("train_index") as progress:
                            await self._renew(progress)
                return
            except (HostLost, HostFailed) as error:
                log.warning("an index host failed and is tried again: %s", error)
            except Exception:
                log.exception("an index could not be trained and is tried again")
            self._failures += 1

    async def _renew(self, progress: Progress) -> None:
        """Train a generation over the rows of now; where they are too few, have none."""
        if not self.is_trainable():
            self._install(None)
            return

        def follow(share: float, stage: str) -> None:
            self.under_way = f"{stage}, {share:.0%}"
            progress(share, stage)

        follow(0.0, "waiting for a turn to train")
        await self._take_place()
        try:
            async with self._hosts.training_turn:
                await self._train(follow)
        finally:
            self._end_building()

    async def _train(self, progress: Progress) -> None:
        """Serve what the rows of now are best served with."""
        rows = self._rows.live_count
        candidates = self._spec.candidates(rows)
        found = await self._builder.train(candidates, progress) if candidates else ""
        self._why_exact = found if isinstance(found, str) else ""
        self._exact_rows = rows if self._why_exact else 0
        self._install(None if isinstance(found, str) else found)

    async def _load(self) -> bool:
        """Whether the saved generation serves now."""
        if not self.is_trainable():
            return False
        await self._take_place()
        try:
            generation = await self._builder.load()
            if generation is not None:
                self._install(generation)
            return generation is not None
        finally:
            self._end_building()

    async def _save(self, generation: Generation) -> None:
        try:
            await self._builder.save(generation)
        except HostLost as error:
            log.warning("a trained index could not be saved: %s", error)

    def _register(self, generation: Generation) -> None:
        generation.on_lost = self._lost
        self._next = generation

    def _install(self, generation: Generation | None) -> None:
        """The swap."""
        if generation is not None and not self._enabled:
            generation.host.kill()
            raise WrongState("the index was released while it was trained")
        if generation is not None and generation.is_lost:
            raise HostLost("the index host ended as it began to serve")
        old, self.current, self._next = self.current, generation, None
        self._serve(generation)
        self._serving_since = asyncio.get_running_loop().time()
        if old is not None:
            self._retire(old)
        if generation is None:
            self._leave_place()

    def _retire(self, generation: Generation) -> None:
        task = asyncio.get_running_loop().create_task(generation.retire())
        self._retiring[task] = generation
        task.add_done_callback(self._retiring.pop)

    def _end_building(self) -> None:
        self._next, self.under_way = None, ""
        if self.current is None:
            self._leave_place()

    def _lost(self, generation: Generation) -> None:
        """A host died: if it served, bring it back; if it was about to, whoever brings it up notices."""
        if generation is not self.current:
            return
        self.current = None
        self._serve(None)
        if not self._enabled:
            return
        log.warning("the host of an index (process %d) died; searches are exact until it is back", generation.host.pid)
        if asyncio.get_running_loop().time() - self._serving_since > _STEADY_S:
            self._failures = 0
        self._failures += 1
        self.consider()

    async def _take_place(self) -> None:
        if not self._has_place:
            await self._hosts.take_place()
            self._has_place = True

    def _leave_place(self) -> None:
        if self._has_place:
            self._has_place = False
            self._hosts.leave_place()
