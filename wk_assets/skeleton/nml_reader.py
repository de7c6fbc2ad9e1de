"""Reading NML."""

from typing import IO

from wk_assets.skeleton.nml_model import Nml


class NmlReader:
    """Read one document."""

    def __init__(self, source: str, max_bytes: int | None = None) -> None:
        self.source = source
        self.max_bytes = max_bytes

    def read(self, stream: IO[bytes]) -> Nml:
        """Read."""
        raise NotImplementedError
