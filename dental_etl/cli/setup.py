"""Commands that look before anything moves: analyze, validate, test-connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from dental_etl import pipeline, schema_analysis
from dental_etl.cli import console
from dental_etl.connections import check
from dental_etl.run import Finding, Severity

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    app.command()(analyze)
    app.command()(validate)
    app.command(name="test-connections")(connections)


def analyze(
    *,
    check_only: Annotated[
        bool,
        typer.Option("--check", help="Only show what changed; write nothing. Exit code 1 if something did."),
    ] = False,
    confirm_loss: Annotated[
        bool, typer.Option("--confirm-loss", help="Accept a result with more than 10 % fewer tables.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read the source's schema and write tables.yml with its changelog.

    Only the catalog is read; by night one preference of Open Dental as well: whether its keys are random.
    """
    settings = console.settings()
    result = schema_analysis.analyze(
        settings, confirm_loss=confirm_loss, is_check=check_only, now=console.now()
    )
    if as_json:
        console.print_json(result.to_json())
    else:
        console.out.print(result.describe(), markup=False, soft_wrap=True)
    if check_only and result.changes:
        raise typer.Exit(1)


def validate(*, as_json: Json = False) -> None:
    """Check everything that a night checks first; exit code 1 when a night would not start."""
    findings = pipeline.look(console.settings(), console.now())
    print_findings(findings, as_json=as_json)
    if not findings and not as_json:
        console.out.print("Everything is in order; a night may start.")
    end(findings)


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print one line per finding, the critical ones in red."""
    if as_json:
        console.print_json([finding.to_json() for finding in findings])
        return
    for finding in findings:
        style = {Severity.CRITICAL: "red", Severity.WARNING: "yellow"}.get(finding.severity, "")
        where = f" {finding.table}:" if finding.table else ""
        console.out.print(
            f"{finding.severity:<12}{finding.check}:{where} {finding.message}", style=style, markup=False
        )


def end(findings: Sequence[Finding]) -> None:
    """Leave with exit code 1 when a night would not start."""
    if any(finding.severity is Severity.CRITICAL for finding in findings):
        raise typer.Exit(1)


def connections(*, as_json: Json = False) -> None:
    """Connect to the three databases; exit code 1 when one cannot be reached."""
    settings = console.settings()
    checks = [check(database) for database in (settings.source, settings.replication, settings.analytics)]
    if as_json:
        console.print_json(
            [
                {"role": c.role, "ok": c.is_ok, "message": c.message, "seconds": round(c.seconds, 3)}
                for c in checks
            ]
        )
    else:
        view = console.table("DATABASE", "STATE", ">SECONDS", "SERVER")
        for c in checks:
            view.add_row(c.role, "ok" if c.is_ok else "FAILED", f"{c.seconds:.2f}", c.message)
        console.out.print(view)
    if not all(c.is_ok for c in checks):
        raise typer.Exit(1)
