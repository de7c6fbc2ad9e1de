"""`wk-assets publish NAME`: bring the WEBKNOSSOS server of wk_assets.yaml up to a dataset; nothing is sent twice."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.options import DryRunOption, HomeOption, JsonOption, configuration_of
from wk_assets.cli.progress import shown_count
from wk_assets.cli.quantities import bytes_text
from wk_assets.cli.screen import complain, headline, say, show_json, show_table

if TYPE_CHECKING:
    from wk_assets.facility.configuration import Configuration
    from wk_assets.facility.publishing_request import Publication
    from wk_assets.operations.transfer.publish_plan import PublishPlan


def publish(
    dataset: Annotated[str, typer.Argument(help="The dataset's name in the catalogue.")],
    home: HomeOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Publish a dataset on the server that wk_assets.yaml names: what changed is sent, the rest stays as it is."""
    from wk_assets.cli.demo_server import demo_server

    configuration = configuration_of(home)
    with demo_server(configuration):
        _publish(configuration, dataset, dry_run=dry_run, as_json=as_json)


def _publish(configuration: "Configuration", dataset: str, *, dry_run: bool, as_json: bool) -> None:
    from wk_assets.errors import CatalogueError
    from wk_assets.facility.catalogue import Catalogue
    from wk_assets.facility.ingest import failed_checks
    from wk_assets.facility.publishing_request import publish_entry, publish_request, server_of
    from wk_assets.operations.transfer.publish_dataset import plan_publish

    catalogue = Catalogue(configuration.catalogue_folder)
    entry = catalogue.get(dataset)
    if entry is None:
        known = ", ".join(one.dataset for one in catalogue.entries()) or "none"
        raise CatalogueError(f"there is no dataset {dataset!r} in the catalogue {catalogue.folder}; there are: {known}")
    request, server = publish_request(configuration, entry), server_of(configuration)
    if dry_run:
        plan = plan_publish(request, server)
        show_json(_plan_document(plan)) if as_json else _show_plan(plan, server.address.url)
        return
    failed = failed_checks(configuration, entry)
    for layer, outcome in failed:
        complain(f"{layer}: {outcome.sentence}")
    if failed:
        complain(f"{dataset} is not published, because checks fail; remove the cause and import the layer again")
        raise typer.Exit(ExitCode.FINDINGS)
    with shown_count(f"publication of {dataset}", "bytes", quiet=as_json) as listener:
        publication = publish_entry(configuration, entry, server, listener)
    if as_json:
        show_json(_document(publication))
        return
    result = publication.result
    if not result.changed:
        headline(f"{dataset} is up to date on {publication.published.server}: nothing was sent or changed")
    else:
        headline(f"published {dataset}: {bytes_text(result.sent_bytes)} sent, {bytes_text(result.linked_bytes)} kept")
    say(publication.published.url)


def _show_plan(plan: "PublishPlan", url: str) -> None:
    target = "a new dataset" if plan.dataset_id is None else f"dataset {plan.dataset_id}"
    say(f"would send {bytes_text(plan.sent_bytes)} to {target} on {url} ({plan.way.value})")
    rows = [(layer.name, layer.change.value, bytes_text(layer.size_bytes)) for layer in plan.layers]
    show_table(("layer", "state", "bytes"), rows, numbers=("bytes",))


def _plan_document(plan: "PublishPlan") -> dict[str, Any]:
    return {
        "dataset_id": plan.dataset_id,
        "way": plan.way.value,
        "sent_bytes": plan.sent_bytes,
        "kept_bytes": plan.kept_bytes,
        "layers": [
            {"name": layer.name, "state": layer.change.value, "bytes": layer.size_bytes} for layer in plan.layers
        ],
    }


def _document(publication: "Publication") -> dict[str, Any]:
    result, published = publication.result, publication.published
    return {
        "dataset": published.dataset,
        "dataset_id": published.dataset_id,
        "url": published.url,
        "server": published.server,
        "changed": result.changed,
        "way": result.plan.way.value,
        "sent_bytes": result.sent_bytes,
        "linked_bytes": result.linked_bytes,
        "teams": list(result.team_names),
    }
