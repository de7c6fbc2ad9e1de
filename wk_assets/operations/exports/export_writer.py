"""What each format's writer offers to the one that runs exports: a fixed list of steps, each of which may be done twice."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from wk_assets.geometry.bounding_box import NormalizedBoundingBox


class ExportWriter(Protocol):
    """Write one export into `product`, a path in the stage that becomes the target at the end."""

    def steps(self) -> Sequence[int]:
        """Give the voxels of each step, in order: for the progress, and for going on after a crash."""
        ...

    def prepare(self, product: Path) -> Mapping[str, Any]:
        """Make the empty product; what comes back is JSON and is given to every step, also of a later process."""
        ...

    def run_step(self, product: Path, state: Mapping[str, Any], step: int) -> None:
        """Do one step; when this returns, what it wrote is on the disk. Raises StorageError, and what reading raises."""
        ...

    def finish(self, product: Path, target: Path) -> None:
        """Do what is left when all steps are done, before the product gets its name."""
        ...

    def files(self) -> int:
        """Count the files that people will find."""
        ...


def over_bands(
    work: Callable[[NormalizedBoundingBox], None], bands: Iterable[NormalizedBoundingBox], workers: int
) -> None:
    """Do the work of all bands with so many threads; the first error ends it."""
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, band) for band in bands]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
