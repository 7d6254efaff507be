"""The installed ``dental-etl``: the library's commands, and those that need the broker or start workers."""

from __future__ import annotations

from dental_etl.__main__ import start


def main() -> None:
    """Run the command line."""
    start(_run)


def _run() -> None:
    from dental_etl.cli import COMMANDS, application, run
    from dental_etl.cli.lazy import Command

    here = "workers.commands"
    run(
        application(
            {
                **COMMANDS,
                "enqueue": Command(module=here, help="Start runs through Celery; each prints its run id."),
                "doctor": Command(module=here, help="Look at all that a night stands on."),
                "resume": Command(module=here, help="Publish again what is open in a run."),
                "demo": Command(module=here, help="Play the next night on a synthetic clinic."),
            }
        )
    )


if __name__ == "__main__":
    main()
