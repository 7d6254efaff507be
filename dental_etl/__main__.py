"""``python -m dental_etl``: the command line without a broker."""

from dental_etl.cli import main

if __name__ == "__main__":
    main()
