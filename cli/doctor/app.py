"""segopsctl doctor: checks everything that the platform depends on, and says what to do."""

from collections.abc import Callable, Iterable

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from cli.doctor.configured import check_settings
from cli.doctor.database import check_database
from cli.doctor.eventlog import check_event_log
from cli.doctor.finding import Finding, State, bad, without_secrets
from cli.doctor.machine import check_certificate, check_directory, check_secrets
from cli.doctor.services import check_counts, check_edge, check_loading, check_services
from cli.output import console, print_json
from services.kit.settings import Settings

CHECKS: tuple[Callable[[Settings], Iterable[Finding]], ...] = (
    check_directory,
    check_secrets,
    check_certificate,
    check_database,
    check_event_log,
    check_counts,
    check_services,
    check_loading,
    check_edge,
)
SHOWN = {State.OK: "[green]ok[/]", State.WARNING: "[yellow]warning[/]", State.FAILED: "[red]failed[/]"}


def doctor(*, as_json: bool) -> None:
    """Prints what was found; the command's exit code is the worst state."""
    findings = examine()
    if as_json:
        print_json([{**_plain(finding), "state": finding.state.name.lower()} for finding in findings])
    else:
        _show(console(), findings)
    raise typer.Exit(max(finding.state for finding in findings))


def examine() -> list[Finding]:
    """All findings, with the settings of this process."""
    findings = list(check_settings())
    try:
        settings = Settings()
    except ValidationError:
        return findings  # which say what is wrong with them
    for check in CHECKS:
        findings += _findings_of(check, settings)
    return without_secrets(findings, settings)


def _findings_of(check: Callable[[Settings], Iterable[Finding]], settings: Settings) -> list[Finding]:
    try:
        return list(check(settings))
    except Exception as error:
        # A doctor who dies of a patient's disease helps nobody.
        name = check.__name__.removeprefix("check_").replace("_", " ")
        return [bad(name, f"It could not be checked: {type(error).__name__}: {error}", "Look at it by hand.")]


def _plain(finding: Finding) -> dict[str, str]:
    return {"check": finding.check, "seen": finding.seen, "advice": finding.advice}


def _show(out: Console, findings: list[Finding]) -> None:
    table = Table("check", "state", "what was seen, and what to do", box=None, header_style="bold")
    for finding in findings:
        advice = f"\n→ {finding.advice}" if finding.advice else ""
        table.add_row(finding.check, SHOWN[finding.state], _escaped(f"{finding.seen}{advice}"))
    out.print(table)


def _escaped(text: str) -> str:
    """Without a meaning for rich."""
    return text.replace("[", r"\[")
