"""What sends a dataset to a WEBKNOSSOS server. Thin: `operations.transfer` sends, resumes and compares.

The server and the user are those of the current context (`client.context`). The same call again goes on where a broken one
stopped, and sends nothing if the server has the dataset already.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wk_assets.client.context import current_context
from wk_assets.dataset.layer_to_link import LayerToLink
from wk_assets.dataset.opened_dataset import OpenedDataset
from wk_assets.dataset.remote_address import is_id
from wk_assets.dataset.remote_folder import RemoteFolder
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.errors import InputError
from wk_assets.operations.transfer.paths_plan import plan_paths
from wk_assets.operations.transfer.place_files import Placement
from wk_assets.operations.transfer.upload_dataset import UploadSettings, run_upload
from wk_assets.operations.transfer.upload_plan import plan_upload
from wk_assets.operations.transfer.upload_to_paths import PathsSettings, run_upload_to_paths

if TYPE_CHECKING:
    from wk_assets.dataset.remote_dataset import RemoteDataset
    from wk_assets.dataset.remote_layer import RemoteLayer

_DEFAULT_JOBS = 4


class DatasetUploading(OpenedDataset):
    """Send a dataset to a server."""

    def upload(
        self,
        *,
        new_dataset_name: str | None = None,
        initial_team_ids: list[str] | None = None,
        folder: str | RemoteFolder | None = None,
        require_unique_name: bool = False,
        layers_to_link: "Sequence[LayerToLink | RemoteLayer] | None" = None,
        transfer_mode: TransferMode = TransferMode.HTTP,
        jobs: int | None = None,
        common_storage_path_prefix: str | None = None,
        folder_id: str | RemoteFolder | None = None,
    ) -> "RemoteDataset":
        """Send the dataset, by default under its own name; returns it as it is on the server then.

        `initial_team_ids`: teams that may see it at once. `folder`: a folder, its id, or its path from the root; `folder_id` is
        its deprecated name. `layers_to_link`: layers of other datasets of the server that become layers of this one; a local
        layer of the same name is not sent. `transfer_mode`: HTTP sends through the server, in `jobs` pieces at once (4); the
        others put files where the server keeps them, on disks that both reach, `common_storage_path_prefix` chooses among
        them. Raises InvalidNameError, PlanError for what can not be sent, RequestRefusedError (a name that is taken, a folder
        or team that the user may not use), LockedError while it is being sent, ShardCorruptError and SourceChangedError for
        damaged files, NotAuthenticatedError, ServerError, StorageError.
        """
        if folder_id is not None:
            warnings.warn("folder_id is deprecated; use folder", DeprecationWarning, stacklevel=2)
        if jobs is not None and jobs < 1:
            raise InputError(f"jobs is {jobs}; at least one piece is sent at a time")
        links = [
            one if isinstance(one, LayerToLink) else LayerToLink.from_remote_layer(one) for one in layers_to_link or ()
        ]
        linked = {link.name_in_dataset for link in links}
        identifiers = tuple(link.identifier() for link in links)
        chosen = folder_by(folder if folder is not None else folder_id)
        path, context = Path(self.path), current_context()
        if transfer_mode is TransferMode.HTTP:
            result = run_upload(
                plan_upload(path, name=new_dataset_name, leave_out=linked),
                context,
                UploadSettings(
                    folder_id=chosen,
                    team_ids=tuple(initial_team_ids or ()),
                    layers_to_link=identifiers,
                    require_unique_name=require_unique_name,
                    threads=jobs or _DEFAULT_JOBS,
                ),
            )
        else:
            result = run_upload_to_paths(
                plan_paths(path, name=new_dataset_name, leave_out=linked),
                context,
                PathsSettings(
                    placement=Placement(transfer_mode.value),
                    path_prefix=common_storage_path_prefix,
                    folder_id=chosen,
                    team_ids=tuple(initial_team_ids or ()),
                    layers_to_link=identifiers,
                    require_unique_name=require_unique_name,
                ),
            )
        from wk_assets.dataset.remote_dataset import RemoteDataset  # here: a RemoteDataset gives Datasets too

        return RemoteDataset.open(dataset_id=result.dataset_id)

    def publish_to_preliminary_dataset(
        self, dataset_id: str, *, path_prefix: str | None = None, transfer_mode: TransferMode = TransferMode.COPY
    ) -> None:
        """Fill a dataset that the server has reserved and that has nothing yet, on disks that both reach.

        `path_prefix` chooses among the server's storages. Raises InputError for transfer mode HTTP, RequestRefusedError for a
        dataset that is in use, and what `upload` raises.
        """
        if transfer_mode is TransferMode.HTTP:
            raise InputError(
                "a preliminary dataset is not filled through the server; choose transfer mode copy, symlink or move+symlink"
            )
        run_upload_to_paths(
            plan_paths(Path(self.path)),
            current_context(),
            PathsSettings(placement=Placement(transfer_mode.value), path_prefix=path_prefix, preliminary_id=dataset_id),
        )


def folder_by(folder: str | RemoteFolder | None) -> str | None:
    """Return the id of a folder that is given as such, by its id, or by its path. Raises UnknownNameError, ServerError."""
    if folder is None or isinstance(folder, RemoteFolder):
        return None if folder is None else folder.id
    return folder if is_id(folder) else RemoteFolder.get_by_path(folder).id
