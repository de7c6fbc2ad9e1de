"""The weights of a network as the server keeps them: look them up, put them where the server wants them.

What the weights are is the server's business: they are a file or a folder here.
"""

from dataclasses import dataclass
from enum import StrEnum

from wk_assets.client.context import current_context
from wk_assets.client.models import ApiAiModel, ApiReserveAiModelUploadToPathParameters
from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.errors import InputError, NoAnswerError, NotADatasetError, UnexpectedStatusError
from wk_assets.operations.transfer.place_files import Placement, Placing, local_target, place
from wk_assets.operations.transfer.upload_part import bookkeeping_of, may_have_happened
from wk_assets.storage.journal import Journal
from wk_assets.storage.local_path import Location, local_path
from wk_assets.storage.locks import exclusive


class AiModelCategory(StrEnum):
    """Name what a network finds."""

    em_neurons = "em_neurons"
    em_nuclei = "em_nuclei"
    em_synapses = "em_synapses"
    em_neuron_types = "em_neuron_types"
    em_cell_organelles = "em_cell_organelles"


@dataclass(frozen=True, slots=True)
class RemoteAiModel:
    """Describe the weights of a network. `path`: where the server keeps them; `is_usable`: whether they are there whole."""

    ai_model_id: str
    name: str
    path: str
    is_usable: bool

    @classmethod
    def open_remote(cls, ai_model_id: str) -> "RemoteAiModel":
        """Return a network's weights by their id. Raises NotOnServerError, ServerError."""
        return cls._of(current_context().client().get_ai_model_info(ai_model_id))

    @classmethod
    def upload_from_path(
        cls,
        src_path: Location,
        *,
        existing_id: str | None,
        data_store_name: str,
        name: str,
        comment: str | None,
        category: AiModelCategory | None,
        path_prefix: str | None,
        transfer_mode: TransferMode = TransferMode.COPY,
    ) -> "RemoteAiModel":
        """Put weights, a file or a folder, where the server wants them, on a disk that both reach, and let them be used.

        `existing_id`: of weights that were reserved, e.g. by a run that broke off: they are filled. `path_prefix` chooses among
        the server's storages. Raises InputError for transfer mode HTTP, NotADatasetError if there is nothing,
        RemoteLocationError if the server wants them in object storage, StorageError, ServerError.
        """
        if transfer_mode is TransferMode.HTTP:
            raise InputError(
                "weights are not sent through the server; choose transfer mode copy, symlink or move+symlink"
            )
        source = local_path(src_path)
        journal_path = bookkeeping_of(source) / "placings" / f"aiModel-{source.name}.jsonl"
        journal = Journal(journal_path)
        noted = Placing.of(journal.records())
        if not source.exists() and not noted:
            raise NotADatasetError(f"there is nothing at {source}")
        client = current_context().client()
        with exclusive(journal_path.with_suffix(".lock"), f"placing of {source.name}"):
            reserved = client.reserve_ai_model_upload_to_path(
                ApiReserveAiModelUploadToPathParameters(
                    existing_ai_model_id=existing_id,
                    data_store_name=data_store_name,
                    name=name,
                    comment=comment,
                    category=None if category is None else AiModelCategory(category).value,
                    path_prefix=path_prefix,
                )
            )
            target = local_target(reserved.path or "", f"model {name!r}")
            place(source, target, Placement(transfer_mode.value), journal, noted.get(target))
            try:
                client.finish_ai_model_upload_to_path(reserved.id)
            except (NoAnswerError, UnexpectedStatusError) as error:
                if not (may_have_happened(error) and client.get_ai_model_info(reserved.id).is_usable):
                    raise
        return cls._of(client.get_ai_model_info(reserved.id))

    @classmethod
    def _of(cls, told: ApiAiModel) -> "RemoteAiModel":
        return cls(ai_model_id=told.id, name=told.name, path=told.path or "", is_usable=told.is_usable)
