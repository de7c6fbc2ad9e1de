"""Make, copy or compare the volumes that `transfer` sends: `… make FOLDER DEPTH`, `… copy FROM TO`, `… compare ONE OTHER`."""

import shutil
import sys
from pathlib import Path

PLANE = (512, 256)  # voxels of a slice; uint8, so bytes too
SLAB = 256


def make(folder: Path, depth: int) -> None:
    """Write a dataset of uint8 noise, one mag, unless it is there."""
    import numpy as np

    from wk_assets.dataset.dataset import Dataset
    from wk_assets.geometry.bounding_box import BoundingBox

    if (folder / "datasource-properties.json").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    made = Dataset(folder, voxel_size=(11.0, 11.0, 25.0), name="noise")
    layer = made.add_layer("color", "color", dtype="uint8", bounding_box=BoundingBox((0, 0, 0), (*PLANE, depth)))
    mag = layer.add_mag(1, chunk_shape=(32, 32, 32), shard_shape=(SLAB, SLAB, SLAB))
    random = np.random.default_rng(depth)
    for z in range(0, depth, SLAB):
        mag.write(random.integers(0, 256, (1, *PLANE, SLAB), dtype=np.uint8), absolute_offset=(0, 0, z))


def copy(source: Path, target: Path) -> None:
    """Copy a dataset without our bookkeeping."""
    from wk_assets.operations.records.layer_record import BOOKKEEPING

    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(BOOKKEEPING))


def compare(first: Path, second: Path) -> None:
    """Raise RuntimeError if two datasets hold other voxels; looks slab by slab."""
    import numpy as np

    from wk_assets.dataset.dataset import Dataset

    one, other = (Dataset.open(path).get_layer("color").get_mag(1) for path in (first, second))
    for z in range(0, one.bounding_box.size.z, SLAB):
        here, there = (mag.read(absolute_offset=(0, 0, z), size=(*PLANE, SLAB)) for mag in (one, other))
        if not np.array_equal(here, there):
            raise RuntimeError(f"{first} and {second} differ between z = {z} and {z + SLAB}")


def main() -> None:
    """Do what the arguments say."""
    action, first, second = sys.argv[1:]
    if action == "make":
        make(Path(first), int(second))
    else:
        {"copy": copy, "compare": compare}[action](Path(first), Path(second))


if __name__ == "__main__":
    main()
