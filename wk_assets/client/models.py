"""What goes over the wire, as values: one model per JSON object of the server's API.

Names are those of the reference (`ApiDataset`, `ApiTask` …); keys on the wire are camelCase; keys that a model does not know
are kept and sent back. 64-bit ids stay Python integers. Sources: the server's API, versions 13 to 16.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """Be one JSON object: built by field names in code and by camelCase keys from an answer."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="allow", frozen=True
    )

    def to_body(self) -> dict[str, Any]:
        """Return the JSON object to send; members that are None are sent as null."""
        return self.model_dump(mode="json", by_alias=True)


class ApiVersions(ApiModel):
    """Say which versions of the API a server speaks."""

    current_api_version: int
    oldest_supported_api_version: int


class ApiSoftware(ApiModel):
    """Name the server's software."""

    name: str
    version: str


class ApiWkBuildInfo(ApiModel):
    """Describe a server."""

    webknossos: ApiSoftware
    local_data_store_enabled: bool = True
    local_tracing_store_enabled: bool = True
    http_api_versioning: ApiVersions


class ApiShortLink(ApiModel):
    """Say where a short link leads."""

    long_link: str


class ApiSharingToken(ApiModel):
    """Hold a token that lets anybody read one dataset."""

    sharing_token: str = Field(repr=False)


class ApiTeam(ApiModel):
    """Name a team."""

    id: str
    name: str
    organization: str


class ApiTeamAdd(ApiModel):
    """Ask for a team."""

    name: str


class ApiTeamMembership(ApiModel):
    """Say in which team a user is, and in which role."""

    id: str
    name: str
    is_team_manager: bool


class ApiUserCompact(ApiModel):
    """Name a user, as the owner of something."""

    id: str
    first_name: str
    last_name: str
    email: str | None = None
    is_admin: bool | None = None
    is_dataset_manager: bool | None = None


class ApiUser(ApiModel):
    """Describe a user. `created`, `last_activity`: milliseconds since 1970."""

    id: str
    email: str
    organization: str
    first_name: str
    last_name: str
    created: int
    last_activity: int
    is_active: bool
    is_admin: bool
    is_dataset_manager: bool
    teams: tuple[ApiTeamMembership, ...]
    experiences: dict[str, int]


class ApiPaymentInterval(ApiModel):
    """Name a month."""

    month: int
    year: int


class ApiLoggedTime(ApiModel):
    """Say how long somebody worked in a month, in seconds; fractions of one included."""

    payment_interval: ApiPaymentInterval
    duration_in_seconds: float


class ApiLoggedTimeGroupedByMonth(ApiModel):
    """List the months in which somebody worked."""

    logged_time: tuple[ApiLoggedTime, ...]


class ApiMetadata(ApiModel):
    """Hold one entry of a dataset's or folder's metadata."""

    key: str
    type: Literal["string", "number", "string[]"]
    value: Any


class ApiDataStore(ApiModel):
    """Say where voxels are kept."""

    url: str
    name: str
    allows_upload: bool


class ApiTracingStore(ApiModel):
    """Say where annotations are kept."""

    name: str
    url: str


class ApiDataset(ApiModel):
    """Describe a dataset. `data_source`: its datasource-properties.json, or `{id, status}` while it can not be used."""

    id: str
    name: str
    is_public: bool
    folder_id: str
    allowed_teams: tuple[ApiTeam, ...] = ()
    tags: tuple[str, ...] = ()
    directory_name: str
    owning_organization: str
    data_store: ApiDataStore
    data_source: dict[str, Any]
    created: int
    metadata: tuple[ApiMetadata, ...] | None = None
    description: str | None = None
    used_storage_bytes: int | None = None

    @property
    def status(self) -> str | None:
        """Why the dataset can not be used (`not yet uploaded` …); None: it can."""
        return self.data_source.get("status")


class ApiCompactDataset(ApiModel):
    """Describe a dataset in a list."""

    id: str
    name: str
    tags: tuple[str, ...] = ()
    folder_id: str | None = None
    status: str | None = None


class ApiDatasetId(ApiModel):
    """Say which dataset a directory's name means."""

    id: str
    name: str
    organization: str
    directory_name: str


class ApiDatasetIsValidNewNameResponse(ApiModel):
    """Say whether a name may be given to a dataset. `errors` is one sentence on the wire."""

    is_valid: bool
    errors: str | tuple[str, ...] | None = None


class ApiDatasetComposeLayer(ApiModel):
    """Ask to refer to a layer of another dataset."""

    source_dataset_id: str
    source_layer_name: str
    target_layer_name: str


class ApiDatasetComposeMag(ApiDatasetComposeLayer):
    """Ask to refer to a mag of another dataset. Mags as x, y, z."""

    source_mag: tuple[int, int, int]
    target_mag: tuple[int, int, int]


class ApiDatasetComposeAttachment(ApiDatasetComposeLayer):
    """Ask to refer to an attachment of another dataset."""

    attachment_type: str
    source_attachment_name: str
    target_attachment_name: str


class ApiDatasetExploreAndAddRemote(ApiModel):
    """Ask the server to look at a URL and to add what is there."""

    remote_uri: str
    dataset_name: str
    folder_id: str | None = None
    data_store_name: str | None = None
    credential_identifier: str | None = None
    credential_secret: str | None = Field(default=None, repr=False)


class ApiLinkedLayerIdentifier(ApiModel):
    """Name a layer that is on the server already."""

    dataset_id: str
    layer_name: str
    new_layer_name: str | None = None


class ApiFolder(ApiModel):
    """Describe a folder."""

    id: str
    name: str
    allowed_teams: tuple[ApiTeam, ...] = ()
    allowed_teams_cumulative: tuple[ApiTeam, ...] = ()
    is_editable: bool = False
    metadata: tuple[ApiMetadata, ...] | None = None


class ApiFolderWithParent(ApiModel):
    """Describe a folder in the tree."""

    id: str
    name: str
    parent: str | None = None


class ApiFolderUpdate(ApiModel):
    """Say what a folder shall be. `allowed_teams`: ids."""

    name: str
    allowed_teams: tuple[str, ...] = ()
    metadata: tuple[ApiMetadata, ...] | None = None


class ApiAiModel(ApiModel):
    """Describe the weights of a network."""

    id: str
    path: str | None = None
    name: str
    is_usable: bool = False


class ApiReserveAiModelUploadToPathParameters(ApiModel):
    """Ask where to put the weights of a network."""

    existing_ai_model_id: str | None = None
    data_store_name: str
    name: str
    comment: str | None = None
    category: str | None = None
    path_prefix: str | None = None


class ApiReserveDatasetUploadToPathsParameters(ApiModel):
    """Ask where to put the files of a new dataset."""

    dataset_name: str
    initial_team_ids: tuple[str, ...] = ()
    folder_id: str | None = None
    require_unique_name: bool = False
    layers_to_link: tuple[ApiLinkedLayerIdentifier, ...] = ()
    data_source: dict[str, Any]
    path_prefix: str | None = None


class ApiReserveDatasetUploadToPathsResponse(ApiModel):
    """Say where to put the files: `data_source` has a path per mag and attachment."""

    new_dataset_id: str
    data_source: dict[str, Any]


class ApiReserveDatasetUploadToPathsForPreliminaryParameters(ApiModel):
    """Ask where to put the files of a dataset that the server reserved."""

    data_source: dict[str, Any]
    path_prefix: str | None = None


class ApiReserveDatasetUploadToPathsForPreliminaryResponse(ApiModel):
    """Say where to put the files."""

    data_source: dict[str, Any]


class ApiReserveMagUploadToPathParameters(ApiModel):
    """Ask where to put the files of a mag."""

    layer_name: str
    mag: tuple[int, int, int]
    axis_order: dict[str, int] | None = None
    channel_index: int | None = None
    path_prefix: str | None = None
    overwrite_pending: bool = True
