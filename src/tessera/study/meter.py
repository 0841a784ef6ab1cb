"""What a stage used up, as its process counts it: the end of its work, and what it cost to get to it.

Processor time before the work is that of Python, torch and the package being loaded, once for every stage.
"""

import resource
import sys
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Meter:
    """The clocks of this process as the work began."""

    wall: float
    cpu: float

    @staticmethod
    def begin() -> "Meter":
        """Returns the clocks as they stand."""
        return Meter(time.perf_counter(), time.process_time())

    def cost(self, images: int) -> dict[str, Any]:
        """Returns what COMPLETE says; memory is resident, of the process, and the most it ever was."""
        unit = 2**20 if sys.platform == "darwin" else 2**10  # kilobytes on Linux, bytes on macOS
        return {
            "images": images,
            "seconds": round(time.perf_counter() - self.wall, 2),
            "cpu_seconds": round(time.process_time() - self.cpu, 2),
            "start_cpu_seconds": round(self.cpu, 2),
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1),
        }
