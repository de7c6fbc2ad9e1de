"""The server's routes about datasets, their layers, and where their files are put."""

from typing import Any

from wk_assets.client.api_session import ApiSession, part
from wk_assets.client.models import (
    ApiAiModel,
    ApiCompactDataset,
    ApiDataset,
    ApiDatasetComposeAttachment,
    ApiDatasetComposeLayer,
    ApiDatasetComposeMag,
    ApiDatasetExploreAndAddRemote,
    ApiDatasetId,
    ApiDatasetIsValidNewNameResponse,
    ApiDataStore,
    ApiReserveAiModelUploadToPathParameters,
    ApiReserveDatasetUploadToPathsForPreliminaryParameters,
    ApiReserveDatasetUploadToPathsForPreliminaryResponse,
    ApiReserveDatasetUploadToPathsParameters,
    ApiReserveDatasetUploadToPathsResponse,
    ApiReserveMagUploadToPathParameters,
    ApiSharingToken,
)
from wk_assets.properties.view_configuration import DatasetViewConfiguration

# From this version on lists of datasets are always compact, and the parameter that asked for it is gone.
_ALWAYS_COMPACT = 16


class DatasetRoutes(ApiSession):
    """Read, change, compose and delete datasets. Every method raises ServerError."""

    webknossos_api_version: int

    def dataset_info(self, *, dataset_id: str, sharing_token: str | None = None) -> ApiDataset:
        """Describe a dataset."""
        return self._get(f"/datasets/{part(dataset_id)}", ApiDataset, {"sharingToken": sharing_token})

    def dataset_id_from_name(self, *, directory_name: str, organization_id: str) -> str:
        """Return the id of the dataset in a directory. Raises NotOnServerError."""
        route = f"/datasets/disambiguate/{part(organization_id)}/{part(directory_name)}/toId"
        found: ApiDatasetId = self._get(route, ApiDatasetId)
        return found.id

    def dataset_list(
        self,
        *,
        is_active: bool | None,
        organization_id: str | None,
        name: str | None,
        folder_id: str | None,
    ) -> list[ApiCompactDataset]:
        """List datasets; `name` is searched for, so that longer names are found too."""
        return self._get(
            "/datasets",
            list[ApiCompactDataset],
            {
                "isActive": is_active,
                "organizationId": organization_id,
                "searchQuery": name,
                "folderId": folder_id,
                "compact": None if self.webknossos_api_version >= _ALWAYS_COMPACT else True,
            },
        )

    def dataset_update(self, *, dataset_id: str, dataset_updates: dict[str, Any]) -> None:
        """Change what the JSON object names, nothing else; null resets. Keys as on the wire (`folderId`, `tags` …)."""
        self._call("PATCH", f"/datasets/{part(dataset_id)}/updatePartial", json=dataset_updates)

    def dataset_update_teams(self, *, dataset_id: str, team_ids: list[str]) -> None:
        """Say which teams may see a dataset."""
        self._call("PATCH", f"/datasets/{part(dataset_id)}/teams", json=team_ids)

    def dataset_delete(self, *, dataset_id: str) -> None:
        """Delete a dataset. There is no way back."""
        self._call("DELETE", f"/datasets/{part(dataset_id)}")

    def dataset_sharing_token(self, *, dataset_id: str) -> ApiSharingToken:
        """Return the token that lets anybody read a dataset; the server makes one if there is none."""
        return self._get(f"/datasets/{part(dataset_id)}/sharingToken", ApiSharingToken)

    def dataset_is_valid_new_name(self, *, dataset_name: str) -> ApiDatasetIsValidNewNameResponse:
        """Say whether the characters of a name are allowed."""
        return self._get(f"/datasets/{part(dataset_name)}/isValidNewName", ApiDatasetIsValidNewNameResponse)

    def dataset_configuration(self, *, dataset_id: str, volume_tracing_ids: list[str]) -> DatasetViewConfiguration:
        """Return how the user sees a dataset."""
        route = f"/datasetConfigurations/{part(dataset_id)}"
        return self._send("POST", route, DatasetViewConfiguration, json=volume_tracing_ids, repeatable=True)

    def dataset_explore_and_add_remote(self, *, dataset: ApiDatasetExploreAndAddRemote) -> str:
        """Let the server look at a URL and add what is there; returns the new dataset's id."""
        return self._send("POST", "/datasets/exploreAndAddRemote", str, json=dataset)

    def dataset_add_layer_as_ref(self, *, dataset_id: str, compose_layer: ApiDatasetComposeLayer) -> None:
        """Let a dataset refer to a layer of another."""
        self._call("POST", f"/datasets/{part(dataset_id)}/compose/addLayer", json=compose_layer)

    def dataset_add_mag_as_ref(self, *, dataset_id: str, compose_mag: ApiDatasetComposeMag) -> None:
        """Let a layer refer to a mag of another."""
        self._call("POST", f"/datasets/{part(dataset_id)}/compose/addMag", json=compose_mag)

    def dataset_add_attachment_as_ref(
        self, *, dataset_id: str, compose_attachment: ApiDatasetComposeAttachment
    ) -> None:
        """Let a layer refer to an attachment of another."""
        self._call("POST", f"/datasets/{part(dataset_id)}/compose/addAttachment", json=compose_attachment)

    def datastore_list(self) -> list[ApiDataStore]:
        """List the data stores."""
        return self._get("/datastores", list[ApiDataStore])

    # ------------------------------------------------------------------ upload to paths

    def reserve_dataset_upload_to_paths(
        self, reserve_dataset_upload_to_path_parameters: ApiReserveDatasetUploadToPathsParameters
    ) -> ApiReserveDatasetUploadToPathsResponse:
        """Ask where to put the files of a new dataset; the dataset exists from then on, and can not be used yet."""
        return self._send(
            "POST",
            "/datasets/reserveUploadToPaths",
            ApiReserveDatasetUploadToPathsResponse,
            json=reserve_dataset_upload_to_path_parameters,
        )

    def reserve_dataset_upload_to_paths_for_preliminary(
        self,
        dataset_id: str,
        reserve_dataset_upload_to_path_for_preliminary_parameters: (
            ApiReserveDatasetUploadToPathsForPreliminaryParameters
        ),
    ) -> ApiReserveDatasetUploadToPathsForPreliminaryResponse:
        """Ask where to put the files of a dataset that exists already, empty."""
        return self._send(
            "POST",
            f"/datasets/{part(dataset_id)}/reserveUploadToPathsForPreliminary",
            ApiReserveDatasetUploadToPathsForPreliminaryResponse,
            json=reserve_dataset_upload_to_path_for_preliminary_parameters,
        )

    def finish_dataset_upload_to_paths(self, dataset_id: str) -> None:
        """Say that all files are in their places."""
        self._call("POST", f"/datasets/{part(dataset_id)}/finishUploadToPaths")

    def reserve_mag_upload_to_paths(
        self, dataset_id: str, reserve_mag_upload_to_path_parameters: ApiReserveMagUploadToPathParameters
    ) -> str:
        """Ask where to put the files of a mag; returns the path."""
        route = f"/datasets/{part(dataset_id)}/reserveMagUploadToPath"
        return self._send("POST", route, str, json=reserve_mag_upload_to_path_parameters)

    def finish_mag_upload_to_paths(
        self, dataset_id: str, reserve_mag_upload_to_path_parameters: ApiReserveMagUploadToPathParameters
    ) -> None:
        """Say that a mag's files are in their place."""
        route = f"/datasets/{part(dataset_id)}/finishMagUploadToPath"
        self._call("POST", route, json=reserve_mag_upload_to_path_parameters)

    def reserve_attachment_upload_to_path(
        self,
        dataset_id: str,
        layer_name: str,
        attachment_name: str,
        attachment_type: str,
        attachment_dataformat: str,
        common_storage_prefix: str | None = None,
        overwrite_pending: bool = True,  # noqa: FBT001, FBT002  # the reference's signature
    ) -> str:
        """Ask where to put the files of an attachment; returns the path."""
        route = f"/datasets/{part(dataset_id)}/reserveAttachmentUploadToPath"
        body = _attachment(layer_name, attachment_name, attachment_type, attachment_dataformat, common_storage_prefix)
        return self._send("POST", route, str, json={**body, "overwritePending": overwrite_pending})

    def finish_attachment_upload_to_path(
        self,
        dataset_id: str,
        layer_name: str,
        attachment_name: str,
        attachment_type: str,
        attachment_dataformat: str,
        common_storage_prefix: str | None = None,
    ) -> None:
        """Say that an attachment's files are in their place."""
        route = f"/datasets/{part(dataset_id)}/finishAttachmentUploadToPath"
        body = _attachment(layer_name, attachment_name, attachment_type, attachment_dataformat, common_storage_prefix)
        self._call("POST", route, json=body)

    def reserve_ai_model_upload_to_path(self, params: ApiReserveAiModelUploadToPathParameters) -> ApiAiModel:
        """Ask where to put the weights of a network."""
        return self._send("POST", "/aiModels/reserveUploadToPath", ApiAiModel, json=params)

    def finish_ai_model_upload_to_path(self, ai_model_id: str) -> None:
        """Say that the weights are in their place."""
        self._call("POST", f"/aiModels/{part(ai_model_id)}/finishUploadToPath")

    def get_ai_model_info(self, ai_model_id: str) -> ApiAiModel:
        """Describe the weights of a network."""
        return self._get(f"/aiModels/{part(ai_model_id)}", ApiAiModel)


def _attachment(layer: str, name: str, kind: str, data_format: str, prefix: str | None) -> dict[str, Any]:
    return {
        "layerName": layer,
        "attachmentName": name,
        "attachmentType": kind,
        "attachmentDataformat": data_format,
        "pathPrefix": prefix,
    }
