"""What a figure is, and what it may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from bench.data import Source
from bench.direct import Direct, measure_direct
from bench.report import Row
from bench.stage import Stage

SECONDS: Final = 6.0
SECONDS_QUICK: Final = 2.0


class Bench:
    """One run. It keeps one server at a time: the figures of a data set share it. `seconds`: how long a load runs."""

    def __init__(self, sources: dict[str, Source], seconds: float, say: Callable[[str], None]) -> None:
        self.sources = sources
        self.seconds = seconds
        self.say = say
        self._stage: Stage | None = None

    def stage(self, source: Source) -> Stage:
        """The running server for a data set; that of another one is stopped."""
        if self._stage is None or self._stage.source != source:
            self.close()
            self.say(f"starting a server for {source.title}")
            self._stage = Stage(source)
        return self._stage

    def loaded(self, source: Source) -> Stage:
        stage = self.stage(source)
        if stage.loading is None:
            self.say("loading")
            stage.load()
        return stage

    def indexed(self, source: Source) -> Stage:
        stage = self.loaded(source)
        if stage.build_s is None:
            self.say("training the index")
            stage.index()
            self.say(f"trained in {stage.build_s:.1f} s")
        return stage

    def direct(self, stage: Stage) -> Direct:
        """ScaNN alone, now: measured anew for each figure, because machines have moods."""
        self.say("ScaNN alone")
        return measure_direct(stage.saved_index(), stage.source, self.seconds / 2)

    def close(self) -> None:
        if self._stage is not None:
            self._stage.close()
            self._stage = None


class Figure(NamedTuple):
    """`data` names the source; `measure` returns the lines of the table."""

    name: str
    what: str
    data: str
    measure: Callable[[Bench, Source], list[Row]]

    @property
    def key(self) -> str:
        return f"{self.name}/{self.data}"
