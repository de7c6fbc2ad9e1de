"""What a run made, as a table for people and as a document for programs. Computes nothing but sums and rates."""

from collections.abc import Sequence
from math import prod
from typing import Any

from wk_assets.cli.quantities import bytes_text, counted, seconds_text, size_text, voxels_text
from wk_assets.cli.screen import say, show_table, warn
from wk_assets.operations.checks.layer_checks import CheckOutcome
from wk_assets.operations.records.layer_request import LayerResult

Checks = Sequence[tuple[str, CheckOutcome]]  # with the name of the layer


def result_documents(results: Sequence[LayerResult]) -> list[dict[str, Any]]:
    """Describe results as plain JSON values; shapes in voxels x, y, z."""
    return [
        {
            "layer": result.layer_name,
            "read_bytes": result.read_bytes,
            "written_bytes": result.written_bytes,
            "seconds": round(result.seconds, 3),
            "mags": [
                {
                    "mag": mag.mag.to_layer_name(),
                    "shape": list(mag.shape),
                    "shards": mag.shards,
                    "stored_bytes": mag.stored_bytes,
                    "raw_bytes": mag.raw_bytes,
                    "path": str(mag.path),
                    "key": mag.key,
                    "reused": mag.reused,
                }
                for mag in result.mags
            ],
            "filled_slices": [
                {"z": one.z, "file": one.file, "reason": one.reason, "filled_with": str(one.filled_with)}
                for one in result.problems
            ],
        }
        for result in results
    ]


def check_documents(checks: Checks) -> list[dict[str, Any]]:
    """Describe the answers of checks as plain JSON values."""
    return [
        {
            "layer": layer,
            "check": outcome.name,
            "passed": outcome.passed,
            "severity": outcome.severity,
            "sentence": outcome.sentence,
            "evidence": dict(outcome.evidence),
        }
        for layer, outcome in checks
    ]


def show_results(results: Sequence[LayerResult], checks: Checks, seconds: float) -> None:
    """Print one row per mag, the filled slices, the failed checks, and the sum."""
    show_table(
        ("layer", "mag", "voxels x, y, z", "shards", "stored", "ratio", "state"),
        [
            (
                result.layer_name if index == 0 else "",
                mag.mag.to_layer_name(),
                size_text(tuple(mag.shape)),
                str(mag.shards),
                bytes_text(mag.stored_bytes),
                f"{mag.raw_bytes / mag.stored_bytes:.1f}" if mag.stored_bytes else "",
                "was up to date" if mag.reused else "made",
            )
            for result in results
            for index, mag in enumerate(result.mags)
        ],
        numbers=("shards", "stored", "ratio"),
    )
    for result in results:
        for problem in result.problems:
            warn(f"layer {result.layer_name}, slice {problem.z}: {problem.reason}; filled with {problem.filled_with}")
    show_checks(checks)
    made = [mag for result in results for mag in result.mags if not mag.reused]
    if not made:
        say("everything was up to date: no voxel was read or written")
        return
    voxels = sum(prod(mag.shape) for mag in made)
    written = sum(result.written_bytes for result in results)
    say(
        f"{counted(len(made), 'mag')} with {voxels_text(voxels)} in {seconds_text(seconds)} "
        f"({voxels_text(voxels / max(seconds, 1e-9))}/s), {bytes_text(written)} written"
    )


def show_checks(checks: Checks) -> None:
    """Print what did not pass, and how many checks there were."""
    failed = [(layer, outcome) for layer, outcome in checks if not outcome.passed]
    for layer, outcome in failed:
        warn(f"check {outcome.name} of layer {layer} ({outcome.severity}): {outcome.sentence}")
    if checks:
        say(f"{counted(len(checks), 'check')}: {len(checks) - len(failed)} passed, {len(failed)} failed")
