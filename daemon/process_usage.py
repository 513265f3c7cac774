"""What this process costs: CPU and resident memory, without asking any library."""

from __future__ import annotations

import os
import resource
import sys
import time


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


_STATM = _opened("/proc/self/statm")  # kept open: when a peer used up all descriptors, this must still work


def cpu_seconds() -> float:
    """Return the CPU time this process has used, all threads, in seconds."""
    return time.process_time()


def resident_bytes() -> int:
    """Return the resident memory now, in bytes; where the system does not tell (macOS), its peak."""
    if _STATM is not None:
        return int(os.pread(_STATM, 128, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak_resident_bytes()


def peak_resident_bytes() -> int:
    """Return the highest resident memory so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
