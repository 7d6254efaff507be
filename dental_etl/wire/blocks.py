"""Raw rows into blocks of tab-separated text, whole blocks at a time; pure.

LOAD DATA and COPY share one escape set, so the same code serves both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from dental_etl.exceptions import PackingError
from dental_etl.wire.rows import FIELD_END, NULL, ROW_END, UNCERTAIN, ApartColumn, RowFormat, Target

_NULL_TEXT = b"\\N"
_MARK = NULL[:1]
#: From here on a row is written in pieces; a block of short rows is smaller.
_LONG_ROW_BYTES = 1 << 20
_PIECE_BYTES = 1 << 18
# The backslash first: the others bring new ones.
_ESCAPES = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r"))


class BlockEncoder:
    """Makes blocks for one target and counts what the target cannot hold.

    Counting costs nothing until a block holds such a value: one search for a byte per block. Single bytes
    are found at the speed of memory; counting them is slower, hence `occurrences`.
    """

    def __init__(self, row_format: RowFormat) -> None:
        self._format = row_format
        self._is_postgres = row_format.target is Target.POSTGRES
        self._markers = dict(row_format.coerced)
        self._coerced = [(name, mark[:1]) for name, mark in row_format.coerced]
        self._framing = _framing(row_format)
        self._binary_prefix = b"\\x" if self._is_postgres else b""
        #: Rows by column and kind: ``zero_date``, ``nul_byte``, ``invalid_utf8``.
        self.coercions: Counter[tuple[str, str]] = Counter()

    def blocks(self, rows: list[bytes]) -> Iterator[bytes]:
        """Yield the rows as text: in one block, but a long row, which comes last, in many.

        Raises:
            PackingError: Text holds bytes that cannot be told apart from the framing.
        """
        if len(rows[-1]) < _LONG_ROW_BYTES:
            yield self.encode(rows)
            return
        if len(rows) > 1:
            yield self.encode(rows[:-1])
        yield from self._long(rows[-1])

    def _long(self, row: bytes) -> Iterator[bytes]:
        """Yield a row piece by piece, so that it is not copied as a whole again and again."""
        if not all(block.isascii() or self._is_text(block) for block in map(self._piece, _pieces(row))):
            yield self.encode([row])
            return
        if self._is_postgres and b"\0" in row:
            self._count_nul_bytes([row])
        for piece in _pieces(row):
            block, coerced = self._text(self._without_nul_bytes(piece))
            self.coercions.update(coerced)
            if block:  # nothing but NUL bytes leaves nothing, and an empty block is the end of the rows
                yield block
        yield b"\n"

    def _piece(self, piece: bytes) -> bytes:
        return self._text(piece)[0]

    def encode(self, rows: list[bytes]) -> bytes:
        """Return the rows as text, each with its line end.

        Raises:
            PackingError: Text holds bytes that cannot be told apart from the framing.
        """
        raw = _joined(rows)
        if self._is_postgres and b"\0" in raw:
            self._count_nul_bytes(rows)
            raw = self._without_nul_bytes(raw)
        block, coerced = self._text(raw)
        if not block.isascii() and not self._is_text(block):
            repaired = _joined([self._repaired(row) for row in rows])
            block, coerced = self._text(self._without_nul_bytes(repaired))
        self.coercions.update(coerced)
        return block

    def pack(self, fields: Sequence[bytes | None]) -> bytes:
        """Return one raw row from a packed field, if the format has one, and the columns apart."""
        packed = min(self._format.packed, 1)
        apart = zip(self._format.apart, fields[packed:], strict=True)
        parts = [field or b"" for field in fields[:packed]]
        parts += [self._apart(column, field) for column, field in apart]
        return FIELD_END.join(parts)

    def _apart(self, column: ApartColumn, field: bytes | None) -> bytes:
        if field is None:
            return self._null(column)
        if column.is_binary:
            return self._binary_prefix + field.hex().encode("ascii")
        if field == NULL and column.is_marked:
            return NULL
        if field == self._markers.get(column.name):
            self.coercions[column.name, "zero_date"] += 1
            return NULL
        if column.may_be_uncertain and field.startswith(UNCERTAIN):
            self.coercions[column.name, "invalid_utf8"] += 1
            field = field.removeprefix(UNCERTAIN)
        return field if field.isascii() or self._is_text(field) else self._replaced(column.name, field)

    def _null(self, column: ApartColumn) -> bytes:
        if not column.may_be_null:
            raise row_too_long(self._format.table, column.name)
        return NULL

    def _text(self, raw: bytes) -> tuple[bytes, dict[tuple[str, str], int]]:
        """Return a block and how many dates became NULL in it; broken text leaves bytes that are no text."""
        counts: dict[tuple[str, str], int] = {}
        for name, mark in self._coerced:
            if found := occurrences(raw, mark):
                counts[name, "zero_date"] = found
        # One translation of every byte takes less than a replacement for each kind, as fields are short.
        block = _escaped(raw).translate(self._framing)
        # A split and a join search once; a replacement by fewer bytes counts first.
        return _NULL_TEXT.join(block.split(NULL)) if _MARK in block else block, counts

    def _without_nul_bytes(self, data: bytes) -> bytes:
        return data.replace(b"\0", b"") if self._is_postgres else data

    def _count_nul_bytes(self, rows: Iterable[bytes]) -> None:
        for row in rows:
            if b"\0" in row:
                for name, field in zip(self._format.columns, row.split(FIELD_END), strict=False):
                    if b"\0" in field:
                        self.coercions[name, "nul_byte"] += 1

    def _is_text(self, data: bytes) -> bool:
        # MySQL stores lone surrogates in its utf8; it takes them back, PostgreSQL does not.
        errors = "strict" if self._is_postgres else "surrogatepass"
        try:
            for piece in _pieces(data):
                piece.decode("utf-8", errors)
        except UnicodeDecodeError:
            return False
        return True

    def _repaired(self, row: bytes) -> bytes:
        if row.isascii():
            return row
        fields = row.split(FIELD_END)
        if len(fields) != len(self._format.columns):
            raise looks_like_framing(self._format.table)
        markers = {NULL, *self._markers.values()}
        named = zip(self._format.columns, fields, strict=True)
        return FIELD_END.join(
            field if field in markers or self._is_text(field) else self._replaced(name, field)
            for name, field in named
        )

    def _replaced(self, name: str, field: bytes) -> bytes:
        self.coercions[name, "invalid_utf8"] += 1
        return field.decode("utf-8", "replace").encode("utf-8")


def looks_like_framing(table: str) -> PackingError:
    """Return the error for text that cannot be told apart from the framing."""
    return PackingError(
        f"Text in table {table} holds bytes that are not text in its character set and "
        f"that look like our own separators. Mend the text on the server, or leave the table out.",
        table=table,
    )


def row_too_long(table: str, column: str | None = None) -> PackingError:
    """Return the error for a row, or the value of a column, that the server answers with NULL."""
    what = "A row" if column is None else f"A value of column {column}"
    return PackingError(
        f"{what} of table {table} is longer than the server's max_allowed_packet, so it cannot be sent in one "
        f"piece. Raise max_allowed_packet on that server to 64M or more, then run the table again.",
        table=table,
    )


def occurrences(data: bytes, byte: bytes) -> int:
    """Count a byte that is rare; for such ``bytes.count`` takes ten times as long as leaving it out."""
    return len(data) - len(data.replace(byte, b""))


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut data between two characters, and between two marks."""
    start = 0
    while start < len(data):
        end = start + _PIECE_BYTES
        for _ in NULL[1:]:  # no character has as many bytes that continue it
            end -= end < len(data) and data[end] & 0xC0 == 0x80
        yield data[start:end]
        start = end


def _joined(rows: list[bytes]) -> bytes:
    return ROW_END.join((*rows, b""))  # the end of the last row without a second copy of all


def _escaped(raw: bytes) -> bytes:
    for plain, escaped in _ESCAPES:
        if plain in raw:
            raw = raw.replace(plain, escaped)
    return raw


def _framing(row_format: RowFormat) -> bytes:
    """Return the table of a translation: separators into those of the text, other marks into that of NULL."""
    table = bytearray(range(256))
    table[FIELD_END[0]], table[ROW_END[0]] = b"\t\n"
    for _name, mark in row_format.coerced:
        table[mark[0]] = _MARK[0]
    return bytes(table)
