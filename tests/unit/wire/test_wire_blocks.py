from __future__ import annotations

import pytest

from dental_etl.config.tables import Column, TableSchema
from dental_etl.exceptions import DataExtractionError
from dental_etl.wire import blocks as blocks_module
from dental_etl.wire.blocks import BlockEncoder
from dental_etl.wire.rows import NULL, Target, row_format

#: What a date that PostgreSQL cannot hold arrives as, in the first and second date column.
FIRST_DATE, SECOND_DATE = b"\xf5\x81\x81\x81\x81", b"\xf6\x81\x81\x81\x81"


def encoder(target: Target, **types: str) -> BlockEncoder:
    columns = tuple(
        Column(name=name, data_type=kind, column_type=kind, is_nullable=True, charset="utf8mb4")
        for name, kind in types.items()
    )
    return BlockEncoder(row_format(TableSchema(name="t", engine="InnoDB", columns=columns), target))


def test_fields_and_rows_become_tabs_and_line_ends() -> None:
    assert encoder(Target.MYSQL, a="int", b="int").encode([b"1\xff2", b"3\xff" + NULL]) == b"1\t2\n3\t\\N\n"


def test_what_looks_like_a_separator_in_text_is_escaped() -> None:
    assert encoder(Target.MYSQL, a="text").encode([b"a\tb\nc\rd\\N"]) == b"a\\tb\\nc\\rd\\\\N\n"


def test_an_empty_text_is_not_null() -> None:
    assert encoder(Target.POSTGRES, a="text").encode([b""]) == b"\n"


def test_nul_bytes_stay_for_mysql() -> None:
    assert encoder(Target.MYSQL, a="text").encode([b"a\0b"]) == b"a\0b\n"


def test_nul_bytes_are_removed_for_postgres() -> None:
    assert encoder(Target.POSTGRES, a="text").encode([b"a\0b"]) == b"ab\n"


def test_rows_with_nul_bytes_are_counted_by_column() -> None:
    blocks = encoder(Target.POSTGRES, a="text", b="text")
    blocks.encode([b"x\xffa\0b\0", b"x\xffy", b"\0\xff\0"])
    assert blocks.coercions == {("a", "nul_byte"): 1, ("b", "nul_byte"): 2}


def test_coerced_dates_become_null_and_are_counted_by_column() -> None:
    blocks = encoder(Target.POSTGRES, a="date", b="date")
    text = blocks.encode(
        [FIRST_DATE + b"\xff2020-01-01", FIRST_DATE + b"\xff" + SECOND_DATE, NULL + b"\xff2020-01-01"]
    )
    assert (text, blocks.coercions) == (
        b"\\N\t2020-01-01\n\\N\t\\N\n\\N\t2020-01-01\n",
        {("a", "zero_date"): 2, ("b", "zero_date"): 1},
    )


def test_counts_add_up_over_blocks() -> None:
    blocks = encoder(Target.POSTGRES, a="date")
    blocks.encode([FIRST_DATE])
    blocks.encode([FIRST_DATE])
    assert blocks.coercions == {("a", "zero_date"): 2}


@pytest.mark.parametrize("bad", [b"\x92", b"\xc3", b"\xe2\x82", b"\xc0\x80", b"\xfd", b"\xf5"])
def test_bytes_that_are_not_text_are_replaced_and_counted(bad: bytes) -> None:
    blocks = encoder(Target.POSTGRES, a="text", b="text")
    text = blocks.encode([b"ok\xffx" + bad, b"\xc3\xa9\xfff"])
    assert ("�".encode() in text, blocks.coercions) == (True, {("b", "invalid_utf8"): 1})


@pytest.mark.parametrize("target", [Target.MYSQL, Target.POSTGRES])
@pytest.mark.parametrize("bad", [b"\xfd", b"\xf5", b"\xc0", b"\x81"])
def test_a_broken_byte_alone_is_neither_null_nor_a_date(target: Target, bad: bytes) -> None:
    blocks = encoder(target, a="date", b="text")
    text = blocks.encode([b"2020-01-01\xff" + bad, NULL + b"\xff" + NULL])
    assert (text, blocks.coercions) == (
        "2020-01-01\t\ufffd\n\\N\t\\N\n".encode(),
        {("b", "invalid_utf8"): 1},
    )


@pytest.mark.parametrize("target", [Target.MYSQL, Target.POSTGRES])
@pytest.mark.parametrize("lead", [b"\xfd", b"\xf5", b"\xfd\x81", b"\xfd\x81\x81\x81"])
def test_what_begins_as_a_mark_is_broken_text_whatever_follows(target: Target, lead: bytes) -> None:
    """A letter of an older character set, or most of a mark, before every byte but our separators."""
    followers = [bytes([code]) for code in range(0xFE) if lead + bytes([code]) != NULL]
    found = {
        follower
        for follower in followers
        for text in (lead + follower, b"x" + lead + follower + b"y")
        if not _is_mended(target, text)
    }
    assert found == set()


def _is_mended(target: Target, text: bytes) -> bool:
    """Tell whether broken text between NULLs is counted, and becomes what Python makes of it."""
    blocks = encoder(target, a="text", b="text", c="text")
    mended = text.replace(b"\0", b"") if target is Target.POSTGRES else text
    mended = mended.decode("utf-8", "replace").encode()
    for plain, escaped in ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r")):
        mended = mended.replace(plain, escaped)
    block = blocks.encode([NULL + b"\xff" + text + b"\xff" + NULL])
    return block == b"\\N\t" + mended + b"\t\\N\n" and blocks.coercions["b", "invalid_utf8"] == 1


@pytest.mark.parametrize("target", [Target.MYSQL, Target.POSTGRES])
def test_text_that_goes_on_as_a_mark_does_is_text(target: Target) -> None:
    blocks = encoder(target, a="text", b="text")
    text = "\u0081\u0081" * 40_000
    block = blocks.encode([text.encode() + b"\xff" + NULL, NULL + b"\xff" + text.encode()])
    assert (block, blocks.coercions) == (f"{text}\t\\N\n\\N\t{text}\n".encode(), {})


def test_a_repair_counts_coerced_dates_once() -> None:
    blocks = encoder(Target.POSTGRES, a="date", b="text")
    blocks.encode([FIRST_DATE + b"\xff\x92"])
    assert blocks.coercions == {("a", "zero_date"): 1, ("b", "invalid_utf8"): 1}


def test_a_lone_surrogate_passes_to_mysql_which_stores_it() -> None:
    blocks = encoder(Target.MYSQL, a="text")
    assert (blocks.encode([b"\xed\xa0\x80"]), blocks.coercions) == (b"\xed\xa0\x80\n", {})


def test_a_lone_surrogate_is_replaced_for_postgres() -> None:
    blocks = encoder(Target.POSTGRES, a="text")
    blocks.encode([b"\xed\xa0\x80"])
    assert blocks.coercions == {("a", "invalid_utf8"): 1}


def test_broken_text_that_holds_a_separator_is_an_error_without_its_value() -> None:
    with pytest.raises(DataExtractionError, match="table t holds bytes") as caught:
        encoder(Target.MYSQL, a="text").encode([b"Smith\x92\xffJones"])
    assert "Smith" not in str(caught.value)


def test_bytes_apart_become_hexadecimal_digits_for_mysql() -> None:
    assert encoder(Target.MYSQL, a="int", b="blob").pack([b"1", b"\xff\x00"]) == b"1\xffff00"


def test_bytes_apart_become_bytea_text_for_postgres() -> None:
    blocks = encoder(Target.POSTGRES, a="int", b="blob")
    assert blocks.encode([blocks.pack([b"1", b"\xff\x00"])]) == b"1\t\\\\xff00\n"


def test_a_one_byte_blob_that_looks_like_null_is_kept() -> None:
    assert encoder(Target.MYSQL, a="int", b="blob").pack([b"1", b"\xfd"]) == b"1\xfffd"


def test_a_null_blob_is_null() -> None:
    assert encoder(Target.MYSQL, a="int", b="blob").pack([b"1", None]) == b"1\xff" + NULL


def test_long_text_that_the_server_left_out_is_an_error_and_not_null() -> None:
    with pytest.raises(DataExtractionError, match="max_allowed_packet"):
        encoder(Target.MYSQL, a="int", b="longtext").pack([b"1", None])


def test_long_text_that_is_null_is_null() -> None:
    assert encoder(Target.MYSQL, a="int", b="longtext").pack([b"1", NULL]) == b"1\xff" + NULL


def test_the_first_column_may_travel_apart() -> None:
    assert encoder(Target.MYSQL, b="blob").pack([b"\x01"]) == b"01"


def test_a_byte_that_looks_like_null_is_none_in_a_required_ascii_column() -> None:
    column = Column(
        name="a", data_type="varchar", column_type="varchar(9)", is_nullable=False, charset="ascii"
    )
    blocks = BlockEncoder(
        row_format(TableSchema(name="t", engine="MyISAM", columns=(column,)), Target.POSTGRES)
    )
    assert blocks.encode([blocks.pack([b"\xfd"])]) == "\ufffd\n".encode()


def test_text_that_the_server_could_not_convert_is_counted() -> None:
    column = Column(
        name="a", data_type="varchar", column_type="varchar(9)", is_nullable=True, charset="cp1251"
    )
    blocks = BlockEncoder(
        row_format(TableSchema(name="t", engine="MyISAM", columns=(column,)), Target.POSTGRES)
    )
    assert blocks.encode([blocks.pack([b"\xffa?"])]) == b"a?\n"
    assert blocks.coercions == {("a", "invalid_utf8"): 1}


@pytest.mark.parametrize("piece_bytes", range(5, 12))
@pytest.mark.parametrize("target", [Target.MYSQL, Target.POSTGRES])
def test_a_long_row_in_pieces_is_the_row(
    monkeypatch: pytest.MonkeyPatch, target: Target, piece_bytes: int
) -> None:
    monkeypatch.setattr(blocks_module, "_LONG_ROW_BYTES", 20)
    monkeypatch.setattr(blocks_module, "_PIECE_BYTES", piece_bytes)
    long = b"\xff".join([FIRST_DATE, "a\tb\\\0\r\u00e4\u20ac\U0001f600\n".encode() * 3, NULL])
    rows = [b"2020-01-01\xffx\xffy", long]
    whole, pieces = (encoder(target, a="date", b="text", c="text") for _ in range(2))
    expected = whole.encode(rows)
    assert (b"".join(pieces.blocks(rows)), pieces.coercions) == (expected, whole.coercions)


def test_a_long_row_of_broken_text_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "_LONG_ROW_BYTES", 20)
    monkeypatch.setattr(blocks_module, "_PIECE_BYTES", 8)
    blocks = encoder(Target.POSTGRES, a="int", b="text")
    text = b"".join(blocks.blocks([b"1\xff" + b"x" * 30 + b"\x92"]))
    assert (text, blocks.coercions) == (
        f"1\t{'x' * 30}\ufffd\n".encode(),
        {("b", "invalid_utf8"): 1},
    )


def test_a_value_that_the_server_left_out_is_named_by_its_column() -> None:
    with pytest.raises(DataExtractionError, match="column b of table t is longer"):
        encoder(Target.MYSQL, a="int", b="longtext").pack([b"1", None])


def test_a_long_run_of_nul_bytes_is_not_the_end_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "_LONG_ROW_BYTES", 20)
    monkeypatch.setattr(blocks_module, "_PIECE_BYTES", 8)
    blocks = list(encoder(Target.POSTGRES, a="text").blocks([b"begin" + bytes(40) + b"end"]))
    assert (b"".join(blocks), b"" in blocks) == (b"beginend\n", False)
