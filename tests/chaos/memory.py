"""Memory of a program's processes over time, each by a name of its own."""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import psutil

from tests.benchmarks.running_line import named

#: Seconds between two looks; a look costs some milliseconds a process.
LOOK_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """Memory at one moment."""

    #: Seconds since the first look.
    at_s: float
    #: Proportional set size in MB by name; of processes with the same name, together.
    by_name: dict[str, float]


@dataclass
class Scale:
    """Weighs processes again and again in a thread of its own."""

    processes: Callable[[], Iterable[psutil.Process]]
    every_s: float = LOOK_S
    looks: list[Look] = field(default_factory=list)

    @contextlib.contextmanager
    def weighing(self) -> Iterator[None]:
        """Weigh until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(target=self._weigh, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def peaks_mb(self) -> dict[str, int]:
        """Return the most that was seen by each name, the largest first."""
        peaks: defaultdict[str, float] = defaultdict(float)
        for look in self.looks:
            for name, size in look.by_name.items():
                peaks[name] = max(peaks[name], size)
        return {name: round(peaks[name]) for name in sorted(peaks, key=lambda n: -peaks[n])}

    def _weigh(self, stop: threading.Event) -> None:
        begun_s = time.monotonic()
        while not stop.wait(self.every_s):
            by_name: defaultdict[str, float] = defaultdict(float)
            for process in self.processes():
                with contextlib.suppress(psutil.Error, FileNotFoundError, ProcessLookupError):
                    by_name[label(process)] += process.memory_full_info().pss / 1e6
            self.looks.append(Look(at_s=time.monotonic() - begun_s, by_name=dict(by_name)))


def label(process: psutil.Process) -> str:
    """Name a process as people know it; cameras by their own names."""
    words = process.cmdline()
    if "inspection.ingest.child" in words:
        return f"camera {words[-1]}"
    if words and words[0].startswith("ray::"):
        return f"ray {words[0].split(':')[2]}"
    return named(process).partition(":")[0] if words else process.name()
