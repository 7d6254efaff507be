"""Which grants let an account do more than read."""

from __future__ import annotations

import pytest

from dental_etl.preflight.grants import roles, writing_rights


@pytest.mark.parametrize(
    "grant",
    [
        "GRANT USAGE ON *.* TO `reader`@`%` IDENTIFIED BY PASSWORD '*ABC'",
        "GRANT SELECT, SHOW VIEW ON `opendental`.* TO `reader`@`%`",
        "GRANT PROCESS, BINLOG MONITOR ON *.* TO `reader`@`10.0.0.5`",
        "GRANT SELECT (`PatNum`, `LName`) ON `opendental`.`patient` TO `reader`@`%`",
        "GRANT `readers` TO `reader`@`%`",
        "SET DEFAULT ROLE `readers` FOR `reader`@`%`",
    ],
)
def test_reading_grants_are_fine(grant: str) -> None:
    assert writing_rights([grant]) == ()


@pytest.mark.parametrize(
    ("grant", "right"),
    [
        ("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`", "ALL PRIVILEGES on *.*"),
        ("GRANT SELECT, INSERT ON `opendental`.* TO `u`@`%`", "INSERT on `opendental`.*"),
        ("GRANT SELECT (`a`), UPDATE (`a`, `b`) ON `o`.`t` TO `u`@`%`", "UPDATE on `o`.`t`"),
        ("GRANT SELECT ON `o`.* TO `u`@`%` WITH GRANT OPTION", "GRANT OPTION on `o`.*"),
        ("GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION", "PROXY on ''@'%'"),
        ("GRANT BACKUP_ADMIN,CLONE_ADMIN ON *.* TO `u`@`%`", "CLONE_ADMIN on *.*"),
        ("GRANT LOCK TABLES ON `o`.* TO `u`@`%`", "LOCK TABLES on `o`.*"),
        ("GRANT EXECUTE ON PROCEDURE `o`.`p` TO `u`@`%`", "EXECUTE on PROCEDURE `o`.`p`"),
    ],
)
def test_any_other_right_is_named_with_its_object(grant: str, right: str) -> None:
    assert right in writing_rights([grant])


def test_a_password_hash_is_never_repeated() -> None:
    grant = "GRANT ALL PRIVILEGES ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*SECRET' WITH GRANT OPTION"
    assert "SECRET" not in " ".join(writing_rights([grant]))


def test_granted_roles_are_found_as_the_server_spells_them() -> None:
    grants = ["GRANT USAGE ON *.* TO `u`@`%`", "GRANT `readers`@`%`,`auditors`@`%` TO `u`@`%`"]
    assert roles(grants) == ("`readers`@`%`", "`auditors`@`%`")


def test_an_account_without_roles_has_none() -> None:
    assert roles(["GRANT SELECT ON `o`.* TO `u`@`%`"]) == ()
