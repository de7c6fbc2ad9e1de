"""Read, write, load or save an NML with the peer library, in its own environment; print the CPU seconds as JSON."""

import json
import sys
import time
from pathlib import Path

from webknossos import Skeleton  # type: ignore[import-not-found, unused-ignore]  # noqa: TID251  # runs in the peer's environment
from webknossos._nml import Nml  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC2701, TID251  # its own streaming parser


def main() -> None:
    what, source, target = sys.argv[1:]
    started = time.process_time()
    if what == "model":
        with Path(source).open("rb") as stream:
            nml = Nml.parse(stream)
    else:
        skeleton = Skeleton.load(source)
    read = time.process_time()
    if what == "model":
        with Path(target).open("wb") as stream:
            nml.write(stream)
    else:
        skeleton.save(target)
    written = time.process_time()
    print(json.dumps({"read": read - started, "write": written - read}))


if __name__ == "__main__":
    main()
