"""The annotators of the demo: users of its stand-in who take tasks, paint what an analysis found there, and finish.

They are asked for and act over HTTP alone, because another process may serve the stand-in. Their tokens stay in memory.
"""

import base64
from typing import TYPE_CHECKING, Any

from wk_assets.errors import InputError

if TYPE_CHECKING:
    import httpx

    from wk_assets.dataset.layer import Layer
    from wk_assets.facility.configuration import Configuration

LABELS = "nuclei_labels"
_MILLIS = 4 * 60_000
_REVIEW_MILLIS = 60_000
_SECONDS = 30.0


def let_annotators_work(configuration: "Configuration", campaign: str) -> int:
    """Let every annotator take what there is for them, paint it and finish; returns how many annotations were finished.

    Who goes over another's work finds it painted, and finishes it as it is. Raises InputError if the stand-in refuses.
    """
    import httpx

    from wk_assets.dataset.dataset import Dataset

    url, finished = configuration.webknossos.url, 0
    dataset = configuration.campaign(campaign).dataset
    labels = Dataset.open(configuration.storage_root / dataset, read_only=True).get_layer(LABELS)
    with httpx.Client(base_url=str(url), timeout=_SECONDS, trust_env=False) as stand_in:
        # Who manages comes last, and is left the work that is given by hand.
        users = sorted(_told(stand_in.get("/_standin/users")), key=_manages)
        tokens = [user["token"] for user in users]
        while sum(_takes_a_task(stand_in, token) for token in tokens):
            pass  # in turns, one task each
        for token in tokens:
            finished += _work(stand_in, str(url), token, labels)
    return finished


def _manages(user: dict[str, Any]) -> bool:
    return user["isAdmin"] or any(team["isTeamManager"] for team in user["teams"])


def _takes_a_task(stand_in: "httpx.Client", token: str) -> bool:
    from wk_assets.client.context import TOKEN_HEADER

    return stand_in.post("/api/v16/user/tasks/request", headers={TOKEN_HEADER: token}).is_success


def _work(stand_in: "httpx.Client", url: str, token: str, labels: "Layer") -> int:
    from wk_assets.client.context import TOKEN_HEADER

    headers = {TOKEN_HEADER: token}
    own = _told(stand_in.get("/api/v16/user/tasks", params={"isFinished": "false"}, headers=headers))
    for annotation in own:
        act = _painted(url, token, annotation["id"], annotation["task"]["boundingBox"], labels)
        _told(stand_in.post(f"/_standin/annotations/{annotation['id']}/work", json=act))
    return len(own)


def _painted(url: str, token: str, annotation_id: str, box: Any, labels: "Layer") -> dict[str, Any]:
    """Paint an annotation in which nothing is painted yet, as whoever has this token; say what the stand-in is to do."""
    from wk_assets.annotation.annotation import Annotation
    from wk_assets.client.context import webknossos_context
    from wk_assets.geometry.bounding_box import BoundingBox

    with webknossos_context(url=url, token=token):
        annotation = Annotation.download(annotation_id)
    volume = annotation.get_volume_layer()
    if volume.has_data:
        return {"millis": _REVIEW_MILLIS}
    place = BoundingBox(tuple(box["topLeft"]), (box["width"], box["height"], box["depth"]))
    voxels = labels.get_finest_mag().read(absolute_bounding_box=place)
    with volume.edit() as layer:
        layer.bounding_box = place
        layer.add_mag(1).write(voxels, absolute_offset=place.topleft)
    name, body = annotation.to_file()
    return {"name": name, "body": base64.b64encode(body).decode(), "millis": _MILLIS}


def _told(answer: "httpx.Response") -> Any:
    if not answer.is_success:
        # The path alone: the request's headers hold a token.
        raise InputError(
            f"the demo's stand-in refused {answer.request.url.path} (status {answer.status_code}): {answer.text[:200]}; "
            "delete the demo's home and make it anew"
        )
    return answer.json()
