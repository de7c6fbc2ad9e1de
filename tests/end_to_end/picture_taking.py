"""Take pictures of a home's UI in a headless browser: lineage, overview with preview, checks, campaigns.

    python tests/end_to_end/picture_taking.py --home .demo --out pictures

starts the UI on a free port, takes the pictures of every dataset, and ends it. `--address` takes them of a UI that
runs already.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

# Runnable by its path: the repository's folder, not this one, is where imports start.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.end_to_end.running_ui import RunningUi, browser_path, running_ui

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTH, HEIGHT = 1760, 990
PATIENCE_MS = 60_000
GREETING_MS = 15_000
PARTITIONS = "query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { partitionKeys } } }"


@contextmanager
def browser_page() -> "Iterator[Page]":
    """Open a page in a headless browser. Raises FileNotFoundError if this machine has none."""
    from playwright.sync_api import sync_playwright

    executable = browser_path()
    if executable is None:
        raise FileNotFoundError("there is no chromium and no google-chrome on this machine; install one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_MS)
        try:
            yield page
        finally:
            browser.close()


def dismiss_greeting(page: "Page", address: str) -> None:
    """Open the UI for the first time, and say no to the community, which asks after a moment."""
    from playwright.sync_api import TimeoutError  # noqa: A004  # playwright's own, not the builtin

    page.goto(f"{address}/asset-groups")
    try:
        page.get_by_role("button", name="Skip").click(timeout=GREETING_MS)
    except TimeoutError:
        return  # this browser was greeted before


def take_pictures(page: "Page", ui: RunningUi, dataset: str, out: Path) -> list[Path]:
    """Take the pictures of one dataset; return their files."""
    out.mkdir(parents=True, exist_ok=True)
    assets = ui.assets()
    group = assets[f"datasets/{dataset}"]["groupName"]
    layers = [key for key in assets if re.fullmatch(rf"datasets/{re.escape(dataset)}/[^/]+", key)]
    taken = [
        _lineage(page, ui, group, out / f"{dataset}-lineage.png"),
        _asset(page, ui, f"datasets/{dataset}", "overview", "preview", out / f"{dataset}-dataset.png"),
    ]
    for key in layers:
        layer = key.rpartition("/")[2]
        taken.append(_asset(page, ui, key, "overview", "preview", out / f"{dataset}-{layer}-overview.png"))
        taken.append(_asset(page, ui, key, "checks", "mags_agree", out / f"{dataset}-{layer}-checks.png"))
    return taken


def take_campaign_pictures(page: "Page", ui: RunningUi, dataset: str, out: Path) -> list[Path]:
    """Take the pictures of every campaign on a dataset: its tasks, the annotation that came home first, the merged volume."""
    prefix, taken = f"webknossos/{re.escape(dataset)}", []
    for key in ui.assets():
        if found := re.fullmatch(rf"{prefix}/(tasks|annotations)/([^/]+)", key):
            part, campaign = found.groups()
            view, expected = "overview", "pending"
            if part == "annotations":
                node = ui.ask(PARTITIONS, key={"path": key.split("/")})["assetNodeOrError"]
                view, expected = f"partitions&partition={node['partitionKeys'][0]}", "verdict"
            taken.append(_asset(page, ui, key, view, expected, out / f"{dataset}-{campaign}-{part}.png"))
        elif found := re.fullmatch(rf"{prefix}/results/([^/]+)/volume", key):
            taken.append(
                _asset(page, ui, key, "overview", "original_segment", out / f"{dataset}-{found[1]}-merged.png")
            )
    return taken


def _lineage(page: "Page", ui: RunningUi, group: str, file: Path) -> Path:
    page.goto(f"{ui.address}/locations/wk_assets/asset-groups/{group}/lineage")
    page.get_by_text("Materialize all").first.wait_for()
    page.mouse.move(WIDTH // 2, HEIGHT - 5)
    return _shoot(page, file)


def _asset(page: "Page", ui: RunningUi, key: str, view: str, expected: str, file: Path) -> Path:
    page.goto(f"{ui.address}/assets/{key}?view={view}")
    page.get_by_text(expected, exact=True).first.wait_for()
    return _shoot(page, file)


def _shoot(page: "Page", file: Path) -> Path:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)  # the graph is laid out and drawn after its data came
    page.screenshot(path=file)
    return file


def main() -> None:
    """Take the pictures that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="the folder with wk_assets.yaml")
    parser.add_argument("--out", type=Path, required=True, help="the folder for the pictures")
    parser.add_argument("--address", help="a UI that runs already, like http://127.0.0.1:3000")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        home = arguments.home.resolve()
        ui = RunningUi(arguments.address) if arguments.address else stack.enter_context(running_ui(home))
        page = stack.enter_context(browser_page())
        dismiss_greeting(page, ui.address)
        datasets = sorted(key.split("/")[1] for key in ui.assets() if re.fullmatch(r"datasets/[^/]+", key))
        for dataset in datasets:
            pictures = take_pictures(page, ui, dataset, arguments.out)
            for file in [*pictures, *take_campaign_pictures(page, ui, dataset, arguments.out)]:
                sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    main()
