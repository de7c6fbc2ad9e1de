"""`wk-assets check`: would the configuration work? Shows what `facility.preflight` finds; repairs nothing."""

import os
from pathlib import Path
from typing import Annotated

import typer

from wk_assets.cli.exit_codes import ExitCode
from wk_assets.cli.options import HomeOption, JsonOption, configuration_of
from wk_assets.cli.quantities import counted
from wk_assets.cli.screen import say, show_json, show_table


def check(
    home: HomeOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings decide the exit code too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the configuration, the folders, the free disk and the credentials. Exit code 7 on a finding that stops the work."""
    from wk_assets.cli.demo_server import demo_environment
    from wk_assets.facility.preflight import Severity, examine

    configuration = configuration_of(home)
    findings = examine(configuration, {**os.environ, **demo_environment(configuration)})
    counts = [finding for finding in findings if strict or finding.severity is Severity.ERROR]
    if as_json:
        show_json(
            {
                "home": str(configuration.home),
                "ok": not counts,
                "findings": [
                    {
                        "where": finding.where,
                        "severity": finding.severity.value,
                        "what": finding.what,
                        "remedy": finding.remedy,
                    }
                    for finding in findings
                ],
            }
        )
    elif findings:
        show_table(
            ("severity", "where", "what", "remedy"),
            [(finding.severity.value, finding.where, finding.what, finding.remedy) for finding in findings],
        )
        verdict = "would stop the work" if counts else "may be worth a look, nothing stops the work"
        say(f"{counted(len(findings), 'finding')} in {_file_of(configuration.home)}: {verdict}")
    else:
        instruments = counted(len(configuration.instruments), "instrument")
        say(f"{_file_of(configuration.home)} is ready to work: {instruments}, nothing found")
    if counts:
        raise typer.Exit(ExitCode.FINDINGS)


def _file_of(home: Path) -> Path:
    from wk_assets.facility.configuration import FILE_NAME

    return home / FILE_NAME
