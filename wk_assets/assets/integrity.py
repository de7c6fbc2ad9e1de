"""The check that stored shards are still what was written: bytes and checksums, dataset by dataset, part by part.

One step for all datasets, of which a run takes as many as it is asked for. What is looked at is in
`operations.checks.verify`; when it runs by itself, and which part of the shards then, in `sensors.integrity`. A dataset that
fails is not hidden: materializing the damaged mags makes them anew, and the check tells which these are.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

import dagster as dg
from pydantic import Field

from resources.compute import ComputeResource
from resources.storage import StorageResource
from wk_assets.assets.keys import POOL_VERIFY, DatasetAsset, MagAsset, build
from wk_assets.errors import NotADatasetError, WkAssetsError
from wk_assets.facility.catalogue_entry import CatalogueEntry
from wk_assets.operations.checks.verify import Subset, VerifyReport, verify_dataset
from wk_assets.operations.compute import Compute

CHECK: Final = "shards_unchanged"
OP: Final = "verify_shards"
SHOWN_FINDINGS: Final = 50


class IntegrityConfig(dg.Config):
    """Say how much of the stored bytes is read."""

    read_data_subset: str = Field(
        default="1/1",
        description="Read the n-th of t parts of all shards, n/t; presence and sizes of all are looked at.",
    )


def integrity_checks(entries: Iterable[CatalogueEntry]) -> list[dg.AssetChecksDefinition]:
    """Build the step that verifies any subset of the active datasets: one, or a few, or none without a dataset.

    Dagster names an op's outputs after their keys, in which '-', '.' and '_' are the same: of datasets whose names
    differ in nothing else each gets an op of its own.
    """
    steps: list[dict[str, dg.AssetCheckSpec]] = []
    for entry in entries:
        if entry.active:
            spec = dg.AssetCheckSpec(
                CHECK,
                asset=build(DatasetAsset(entry.dataset)),
                description="Every shard is there, of its size, its bytes those that were written.",
            )
            name = spec.get_python_identifier()
            step = next((one for one in steps if name not in one), None)
            if step is None:
                steps.append(step := {})
            step[name] = spec
    return [
        _integrity_check(OP if number == 1 else f"{OP}_{number}", specs.values())
        for number, specs in enumerate(steps, 1)
    ]


def _integrity_check(op: str, specs: Collection[dg.AssetCheckSpec]) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name=op, specs=list(specs), can_subset=True, pool=POOL_VERIFY)
    def verify_shards(
        context: dg.AssetCheckExecutionContext,
        config: IntegrityConfig,
        storage: StorageResource,
        compute: ComputeResource,
    ) -> Iterator[dg.AssetCheckResult]:
        subset = Subset.parse(config.read_data_subset)
        for check in sorted(context.selected_asset_check_keys):
            result = verified(context, check.asset_key, storage, compute.compute(), subset)
            if result is not None:
                yield result

    return verify_shards


def verified(
    context: dg.AssetCheckExecutionContext,
    key: dg.AssetKey,
    storage: StorageResource,
    compute: Compute,
    subset: Subset,
) -> dg.AssetCheckResult | None:
    """Verify one dataset; None if it was never made. An error is this dataset's result, and stops no other's."""
    dataset = DatasetAsset(key.path[-1])
    try:
        report = verify_dataset(storage.dataset_path(dataset.dataset), compute, subset)
    except WkAssetsError as error:
        if isinstance(error, NotADatasetError) and context.instance.get_latest_materialization_event(key) is None:
            context.log.info("%s was never made: nothing to verify", dataset.dataset)
            return None
        context.log.warning("%s: %s", dataset.dataset, error)
        return _result(key, passed=False, sentence=str(error), metadata={})
    return _result(
        key, passed=report.passed, sentence=_sentence(report), metadata=_metadata(dataset.dataset, report, subset)
    )


def _result(
    key: dg.AssetKey, *, passed: bool, sentence: str, metadata: dict[str, dg.MetadataValue]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=sentence,
        metadata=metadata,
    )


def _sentence(report: VerifyReport) -> str:
    if report.passed:
        return f"{report.shards} shards are there; the bytes of {report.checked_shards} were read and are unchanged."
    first = report.findings[0]
    more = f" (and {len(report.findings) - 1} more)" if len(report.findings) > 1 else ""
    return f"{first}{more}. Materialize the damaged mags: they are made anew, with the same bytes."


def _metadata(dataset: str, report: VerifyReport, subset: Subset) -> dict[str, dg.MetadataValue]:
    assets = [build(MagAsset(dataset, layer, mag)).to_user_string() for layer, mag in report.damaged]
    return {
        "read_data_subset": dg.MetadataValue.text(f"{subset.n}/{subset.t}"),
        "shards": dg.MetadataValue.int(report.shards),
        "shards_read": dg.MetadataValue.int(report.checked_shards),
        "bytes_read": dg.MetadataValue.int(report.checked_bytes),
        **({"damaged_assets": dg.MetadataValue.text(", ".join(assets))} if assets else {}),
        **({"findings": _findings_table(report)} if report.findings else {}),
        **({"not_verifiable": dg.MetadataValue.text(", ".join(report.foreign))} if report.foreign else {}),
    }


def _findings_table(report: VerifyReport) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord({"finding": finding}) for finding in report.findings[:SHOWN_FINDINGS]],
        schema=dg.TableSchema(columns=[dg.TableColumn("finding", type="string")]),
    )
