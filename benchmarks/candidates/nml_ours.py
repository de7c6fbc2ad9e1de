"""Read, write, load or save an NML with wk-assets; print the CPU seconds of each step as JSON."""

import json
import sys
import time
from pathlib import Path

from wk_assets.skeleton.nml import read_nml, write_nml
from wk_assets.skeleton.skeleton import Skeleton


def main() -> None:
    what, source, target = sys.argv[1:]
    started = time.process_time()
    nml = read_nml(source) if what == "model" else None
    skeleton = None if what == "model" else Skeleton.load(source)
    read = time.process_time()
    if nml is not None:
        with Path(target).open("wb") as stream:
            write_nml(nml, stream)
    if skeleton is not None:
        skeleton.save(target)
    written = time.process_time()
    print(json.dumps({"read": read - started, "write": written - read}))


if __name__ == "__main__":
    main()
