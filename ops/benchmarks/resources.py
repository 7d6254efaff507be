"""What this process uses: processor time, and memory beyond what it holds when idle."""

from __future__ import annotations

import resource
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one process has used."""

    cpu_seconds: float
    #: At most, above the idle process.
    peak_mb: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


class Meter:
    """Counts from now on."""

    def __init__(self) -> None:
        forget_peak()
        self._idle_mb = status_mb("VmRSS")
        self._cpu_seconds = _cpu_seconds()

    def so_far(self) -> Used:
        return Used(
            cpu_seconds=_cpu_seconds() - self._cpu_seconds, peak_mb=status_mb("VmHWM") - self._idle_mb
        )


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def forget_peak() -> None:
    """Let the kernel's high-water mark of our memory begin now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def status_mb(name: str) -> float:
    """Return a figure of our memory, by the kernel's name for it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))
