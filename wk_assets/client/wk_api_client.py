"""The client of the WEBKNOSSOS server itself: which version of the API is spoken, and all its routes.

The data stores and the tracing store, which hold voxels and annotations, have clients of their own.
"""

from collections.abc import Mapping
from typing import ClassVar

import httpx

from wk_assets.client.answers import parsed
from wk_assets.client.api_session import part
from wk_assets.client.dataset_routes import DatasetRoutes
from wk_assets.client.models import ApiShortLink, ApiVersions, ApiWkBuildInfo
from wk_assets.client.people_routes import PeopleRoutes
from wk_assets.client.time_routes import TimeRoutes
from wk_assets.client.transport import RetryPolicy, Transport
from wk_assets.client.work_routes import WorkRoutes
from wk_assets.errors import UnexpectedAnswerError, UnsupportedApiVersionError


class WkApiClient(DatasetRoutes, PeopleRoutes, TimeRoutes, WorkRoutes):
    """Call a server: `WkApiClient(base_wk_url="https://webknossos.org", timeout_seconds=1800, headers={"X-Auth-Token": …})`.

    Speaks the newest version of the API that both sides know; the server is asked once, when a version is first needed.
    Safe to share between threads. The token appears in no `repr`, log or error.
    """

    spoken_versions: ClassVar[range] = range(13, 17)

    def __init__(
        self,
        *,
        base_wk_url: str,
        timeout_seconds: float,
        headers: Mapping[str, str] | None = None,
        webknossos_api_version: int | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008  # immutable
        connector: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(
            base_url=base_wk_url,
            transport=Transport(headers=headers, timeout_seconds=timeout_seconds, retry=retry, connector=connector),
        )
        self.base_wk_url = self._base_url
        self.timeout_seconds = timeout_seconds
        self.headers = dict(headers or {})
        self._version = webknossos_api_version

    @property
    def webknossos_api_version(self) -> int:  # type: ignore[override]  # the routes only read it
        """The version that is spoken. Raises UnsupportedApiVersionError, or ServerError if the server can not be asked."""
        if self._version is None:
            self._version = self._negotiated()
        return self._version

    @property
    def url_prefix(self) -> str:
        """The address before every route."""
        return f"{self.base_wk_url}/api/v{self.webknossos_api_version}"

    def health(self) -> None:
        """Return if the server is well."""
        self._call("GET", "/health")

    def build_info(self) -> ApiWkBuildInfo:
        """Describe the server."""
        return self._get("/buildinfo", ApiWkBuildInfo)

    def short_link_by_key(self, *, key: str) -> ApiShortLink:
        """Say where a short link leads."""
        return self._get(f"/shortLinks/byKey/{part(key)}", ApiShortLink)

    def _negotiated(self) -> int:
        answer = self._transport.request("GET", f"{self.base_wk_url}/api/buildinfo")
        info: dict[str, object] = parsed(answer, dict)
        if "httpApiVersioning" not in info:
            raise UnexpectedAnswerError(
                f"{self.base_wk_url}/api/buildinfo names no versions of the API; is WK_URL the address of a WEBKNOSSOS?"
            )
        served = ApiVersions.model_validate(info["httpApiVersioning"])
        common = [
            version
            for version in self.spoken_versions
            if served.oldest_supported_api_version <= version <= served.current_api_version
        ]
        if not common:
            raise UnsupportedApiVersionError(
                f"{self.base_wk_url} speaks versions {served.oldest_supported_api_version} to {served.current_api_version} of "
                f"the API, this package {self.spoken_versions[0]} to {self.spoken_versions[-1]}; "
                f"update {'the server' if served.current_api_version < self.spoken_versions[0] else 'wk-assets'}"
            )
        return max(common)

    def __repr__(self) -> str:
        return f"WkApiClient(base_wk_url={self.base_wk_url!r})"
