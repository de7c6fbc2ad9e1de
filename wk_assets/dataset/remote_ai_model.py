"""The weights of a network as the server keeps them: look them up, put them where the server wants them."""

from dataclasses import dataclass
from enum import StrEnum

from wk_assets.dataset.transfer_mode import TransferMode
from wk_assets.storage.local_path import Location


class AiModelCategory(StrEnum):
    """Name what a network finds."""

    em_neurons = "em_neurons"
    em_nuclei = "em_nuclei"
    em_synapses = "em_synapses"
    em_neuron_types = "em_neuron_types"
    em_cell_organelles = "em_cell_organelles"


@dataclass(frozen=True, slots=True)
class RemoteAiModel:
    """Describe the weights of a network. `path`: where the server keeps them."""

    ai_model_id: str
    name: str
    path: str
    is_usable: bool

    @classmethod
    def open_remote(cls, ai_model_id: str) -> "RemoteAiModel":
        """Return a network's weights by their id. Raises NotOnServerError."""
        raise NotImplementedError

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
        """Put weights where the server wants them."""
        raise NotImplementedError
