"""What the UI shows of campaigns: tasks, people, hours, an annotation, the results. Values in, metadata out."""

from collections.abc import Iterable, Mapping
from typing import Final

import dagster as dg
import pandas as pd

from resources.storage import Pictures
from wk_assets.assets.metadata import preview_metadata, svg_picture
from wk_assets.facility.campaign_results import Result
from wk_assets.facility.campaign_round import Round
from wk_assets.facility.kept_annotations import KeptAnnotation, KeptAnnotations, Survey, Verdict
from wk_assets.facility.work_plot import finished_svg
from wk_assets.facility.work_report import people_table
from wk_assets.operations.checks.preview import Preview

TABLE_ROWS: Final = 100
BAR_CELLS: Final = 20

Metadata = Mapping[str, dg.MetadataValue]


def round_metadata(done: Round) -> dict[str, dg.MetadataValue]:
    """Describe a campaign's tasks: how many are open, which, who did what."""
    kept = done.kept
    rows = [
        dg.TableRecord(
            {
                "task": key,
                "pending": task.status.pending_instance_count,
                "active": task.status.active_instance_count,
                "finished": task.status.finished_instance_count,
                "position": ", ".join(map(str, task.edit_position)),
            }
        )
        for key, task in sorted(done.tasks.items())[:TABLE_ROWS]
    ]
    return {
        "progress": dg.MetadataValue.md(bar(kept.finished, kept.finished + kept.open_instances)),
        **finished_picture(done.home.annotations.values(), kept.finished + kept.open_instances),
        "project": dg.MetadataValue.text(kept.project_name),
        "tasks": dg.MetadataValue.int(kept.tasks),
        "created": dg.MetadataValue.int(done.created),
        "pending": dg.MetadataValue.int(kept.pending),
        "active": dg.MetadataValue.int(kept.active),
        "finished": dg.MetadataValue.int(kept.finished),
        "hours": dg.MetadataValue.float(hours(done.home)),
        "task_table": dg.MetadataValue.table(
            rows, schema=_columns("task", "pending", "active", "finished", "position")
        ),
        "people": frame(people_table(done.home.annotations.values())),
        "settled_places": dg.MetadataValue.int(len(done.followed.settled)),
        **(
            {"stuck": dg.MetadataValue.text(", ".join(done.followed.stuck[:TABLE_ROWS]))} if done.followed.stuck else {}
        ),
        **{
            f"waiting_{number}": dg.MetadataValue.text(f"{key}: {why}")
            for number, (key, why) in enumerate(done.waiting.items(), 1)
        },
        **{f"warning_{number}": dg.MetadataValue.text(text) for number, text in enumerate(done.warnings, 1)},
    }


def finished_picture(annotations: Iterable[KeptAnnotation], instances: int) -> dict[str, dg.MetadataValue]:
    """Draw finished work over time; nothing if nothing is finished."""
    svg = finished_svg(annotations, instances)
    return {} if svg is None else {"finished_over_time": svg_picture("finished", svg)}


def annotation_metadata(
    kept: KeptAnnotations, record: KeptAnnotation, server: str, preview: Preview | None
) -> dict[str, dg.MetadataValue]:
    """Describe an annotation that is home. `preview` None: there is nothing to see."""
    folder = kept.version_folder(record.annotation_id, record.version)
    return {
        **(preview_metadata(Pictures(preview=preview, folder=folder, urls=None)) if preview is not None else {}),
        "verdict": dg.MetadataValue.text(str(record.verdict)),
        "annotation": dg.MetadataValue.url(f"{server}/annotations/{record.annotation_id}"),
        "author": dg.MetadataValue.text(record.author),
        "version": dg.MetadataValue.int(record.version),
        "minutes": dg.MetadataValue.float(round(record.worked_millis / 60_000, 2)),
        "nodes": dg.MetadataValue.int(record.nodes),
        "trees": dg.MetadataValue.int(record.trees),
        "segments": dg.MetadataValue.int(record.segments),
        "findings": dg.MetadataValue.int(len(record.findings)),
        "task": dg.MetadataValue.text(record.task_key),
        "files": dg.MetadataValue.path(folder),
        **{
            f"agreement_with_{other}": dg.MetadataValue.float(figure)
            for other, figure in sorted(record.agreement.items())
        },
        **{
            f"paths_agree_with_{other}": dg.MetadataValue.text(
                f"nodes {one.node_f1:g}, paths {one.path_f1:g} within {one.distance_nm:g} nm; "
                f"{one.splits} splits, {one.merges} merges"
            )
            for other, one in sorted(record.skeleton_agreement.items())
        },
    }


def result_metadata(result: Result, home: Survey) -> dict[str, dg.MetadataValue]:
    """Describe a result: where it lies, its table, how much work is in it."""
    return {
        "dagster/row_count": dg.MetadataValue.int(len(result.table)),
        "table": frame(result.table),
        "annotations": dg.MetadataValue.int(len(home.accepted)),
        "with_findings": dg.MetadataValue.int(sum(bool(one.findings) for one in home.accepted)),
        "sent_back": dg.MetadataValue.int(sum(one.verdict is Verdict.SENT_BACK for one in home.annotations.values())),
        "hours": dg.MetadataValue.float(hours(home)),
        "path": dg.MetadataValue.path(result.folder),
    }


def hours(home: Survey) -> float:
    """Sum the time that is in what counts."""
    return round(sum(one.worked_millis for one in home.accepted) / 3_600_000, 4)


def bar(done: int, total: int) -> str:
    """Draw how much is done as text, which the UI shows in place."""
    filled = BAR_CELLS * done // total if total else 0
    return f"`{'█' * filled}{'░' * (BAR_CELLS - filled)}` {done} of {total}"


def frame(table: pd.DataFrame) -> dg.TableMetadataValue:
    """Show the first rows of a table."""
    shown = table.head(TABLE_ROWS).astype(object).where(table.head(TABLE_ROWS).notna(), None)
    records = [
        dg.TableRecord({str(key): _plain(value) for key, value in row.items()}) for row in shown.to_dict("records")
    ]
    return dg.MetadataValue.table(records, schema=_columns(*map(str, table.columns)))


def _plain(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _columns(*names: str) -> dg.TableSchema:
    return dg.TableSchema(columns=[dg.TableColumn(name, type="any") for name in names])
