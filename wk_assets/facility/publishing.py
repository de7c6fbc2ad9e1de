"""What is on a server of each dataset: one small JSON file per dataset beside the catalogue, so that campaigns need not ask.

Reads and writes `<folder>/<dataset>.json`. It is a memory, not the truth: that is on the server, which carries our key and the
fingerprints too (see `operations.transfer.publish_dataset`). Sends nothing; never holds a token.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from wk_assets.errors import CatalogueError
from wk_assets.properties.names import check_dataset_name
from wk_assets.storage.durable import write_atomically

_REMEDY = "Remove the file and publish the dataset again: it is found on the server, and nothing is sent twice"


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Published(_Stored):
    """Say where a dataset is on a server, and which content of each layer it has there.

    `server`: the address without a path's end; `url`: the page that a person opens; `layers`: the fingerprint of the content by
    the layer's name; `fingerprint`: of all of them.
    """

    format: Literal[1] = 1
    dataset: str
    dataset_id: str = Field(pattern=r"^[0-9a-f]{24}$")
    url: str
    server: str
    fingerprint: str
    layers: Mapping[str, str]

    @field_validator("dataset")
    @classmethod
    def _legal_dataset_name(cls, dataset: str) -> str:
        return check_dataset_name(dataset)

    @field_validator("url", "server")
    @classmethod
    def _bare(cls, address: str) -> str:
        parts = urlsplit(address)
        if parts.username or parts.password or parts.query:
            raise ValueError("an address with a user, password or query may hold a secret")
        return address

    def to_bytes(self) -> bytes:
        """Write the record as JSON: same record, same bytes."""
        return (self.model_dump_json(indent=2) + "\n").encode()


class Publications:
    """The folder of the records. Cheap to build, keeps nothing in memory; safe to use from several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, dataset: str) -> Published | None:
        """Read the record of a dataset; None: it was never published. Raises CatalogueError for a file that makes no sense."""
        file = self.folder / f"{check_dataset_name(dataset)}.json"
        try:
            record = Published.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CatalogueError(f"{file}: it can not be read ({error.strerror}). {_REMEDY}") from error
        except ValidationError as error:
            found = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()]
            raise CatalogueError(f"{file}: {'; '.join(found[:5])}. {_REMEDY}") from error
        if record.dataset != dataset:
            raise CatalogueError(f"{file}: it is the record of {record.dataset!r}, not of {dataset!r}. {_REMEDY}")
        return record

    def all(self) -> tuple[Published, ...]:
        """Read every record, by dataset. Raises CatalogueError for the first that makes no sense."""
        files = sorted(file for file in self.folder.glob("*.json") if not file.name.startswith("."))
        found = (self.get(file.stem) for file in files)
        return tuple(record for record in found if record is not None)

    def put(self, record: Published) -> bool:
        """Write a record atomically; say whether anything changed (the same record again writes nothing)."""
        return write_atomically(self.folder / f"{record.dataset}.json", record.to_bytes())
