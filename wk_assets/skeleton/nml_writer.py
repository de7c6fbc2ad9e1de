"""Writing NML."""

from typing import IO

from wk_assets.skeleton.nml_model import Nml


class NmlWriter:
    """Write one document."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def write(self, nml: Nml) -> None:
        """Write."""
        raise NotImplementedError
