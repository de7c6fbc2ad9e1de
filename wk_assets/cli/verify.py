"""`wk-assets verify DATASET`: is what is stored still what was written? Every shard, against its manifest.

The looking is `operations.checks.verify`, the repairing `repair`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.options import HomeOption, JsonOption, MemoryOption, ThreadsOption
from wk_assets.cli.quantities import bytes_text, counted
from wk_assets.cli.screen import complain, headline, remark, say, show_json

if TYPE_CHECKING:
    from wk_assets.operations.checks.verify import VerifyReport


def verify(
    dataset: Annotated[Path, typer.Argument(help="The directory of the dataset.")],
    read_data_subset: Annotated[
        str,
        typer.Option(
            "--read-data-subset",
            metavar="N/T",
            help="Read the bytes of the n-th of t parts of all shards, e.g. 3/7; presence and sizes of all are looked at.",
        ),
    ] = "1/1",
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Make damaged mags anew; the finest from its source, which the catalogue knows."),
    ] = False,
    home: HomeOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look whether every shard is there, of its size, with its bytes unchanged. Decodes nothing, changes nothing."""
    from wk_assets.cli.compute_budget import compute_of
    from wk_assets.cli.progress import shown_count, shown_progress
    from wk_assets.cli.repair import repair_dataset
    from wk_assets.operations.checks.verify import Subset, verify_dataset

    compute, subset = compute_of(threads, memory), Subset.parse(read_data_subset)
    with shown_count(dataset.name, "shard", quiet=as_json) as listener:
        report = verify_dataset(dataset, compute, subset, listener)
    repaired: list[str] = []
    repairable = [damaged for damaged in report.damaged if damaged not in report.edited]
    if repair and repairable:
        if not as_json:
            _show_findings(report)
        with shown_progress(dataset.name, quiet=as_json) as progress:
            repaired = repair_dataset(dataset, repairable, home, compute, progress)
        with shown_count(dataset.name, "shard", quiet=as_json) as listener:
            report = verify_dataset(dataset, compute, subset, listener)
    if as_json:
        show_json({**_document(dataset, read_data_subset, report), "repaired": repaired})
    else:
        _show(dataset, report, repaired)
    if not report.passed:
        raise typer.Exit(ExitCode.FINDINGS)


def _document(dataset: Path, subset: str, report: "VerifyReport") -> dict[str, Any]:
    return {
        "dataset_path": str(dataset),
        "passed": report.passed,
        "arrays": report.arrays,
        "shards": report.shards,
        "read_data_subset": subset,
        "read_shards": report.checked_shards,
        "read_bytes": report.checked_bytes,
        "findings": list(report.findings),
        "damaged": [{"layer": layer, "mag": mag.to_layer_name()} for layer, mag in report.damaged],
        "foreign": list(report.foreign),
        "edited": [{"layer": layer, "mag": mag.to_layer_name()} for layer, mag in report.edited],
    }


def _show_findings(report: "VerifyReport") -> None:
    for finding in report.findings:
        complain(finding)


def _show(dataset: Path, report: "VerifyReport", repaired: list[str]) -> None:
    for name in report.foreign:
        remark(f"{name} was not written by wk-assets: nobody kept checksums of it")
    for layer, mag in report.edited:
        damaged = (layer, mag) in report.damaged
        loss = "; it is not repaired: its source does not have the edits. Restore the shards, or write them anew"
        remark(f"{layer}/{mag.to_layer_name()} was edited since it was made{loss if damaged else ''}")
    _show_findings(report)
    if repaired:
        say(f"made anew: {', '.join(repaired)}")
    looked = (
        f"{counted(report.shards, 'shard')} of {counted(report.arrays, 'array')} looked at, "
        f"{counted(report.checked_shards, 'shard')} read ({bytes_text(report.checked_bytes)})"
    )
    verdict = "unchanged" if report.passed else counted(len(report.findings), "finding")
    headline(f"{dataset}: {verdict}")
    say(looked)
    if not report.passed and not repaired:
        say(f"repair: wk-assets verify {dataset} --repair, or materialize the damaged mags in the UI")
