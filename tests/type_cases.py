"""Tables that hold every type of MySQL and MariaDB at its limits, as SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dental_etl.sandbox.state import Kind

_INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_FLOATS = (
    "0", "-0e0", "1e-45", "1.401298464324817e-45", "3.4028234663852886e38", "-3.4028234663852886e38",
    "1.17549435e-38", "0.1", "16777217", "123456.789", "1e0 / 3", "5e-324", "2.2250738585072014e-308",
    "1.7976931348623157e308", "-1.7976931348623157e308", "4.35", "1e23", "9007199254740993",
    "0.30000000000000004", "123456789012345678",
)  # fmt: skip
_DAYS = (
    "0001-01-01", "9999-12-31", "0000-00-00", "2020-00-15", "2020-02-00", "0000-05-05", "0000-12-31",
    "1582-10-10", "1900-01-01", "2024-02-29",
)  # fmt: skip
#: Among them hours that the clocks of the clinic show twice, or never.
_INSTANTS = (
    "1970-01-01 00:00:01", "2038-01-19 03:14:07.999999", "2011-11-06 06:30:00", "2011-11-06 07:30:00.5",
    "2011-03-13 08:30:00.1", "0000-00-00 00:00:00",
)  # fmt: skip
_TIMES = ("-838:59:59", "838:59:59", "00:00:00", "-00:00:00.000001", "-00:00:00.9", "25:00:00.123456")
_SHAPES = {
    "point": "POINT(-1.5e300 1e-300)",
    "linestring": "LINESTRING(0 0,1 1)",
    "polygon": "POLYGON((0 0,1 0,1 1,0 0))",
    "multipoint": "MULTIPOINT(1 1,2 2)",
    "multilinestring": "MULTILINESTRING((0 0,1 1),(2 2,3 3))",
    "multipolygon": "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))",
    "geometrycollection": "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))",
    "geometry": "POINT(1 2)",
}
_EVERY_BYTE = bytes(range(256)).hex()
_TEXTS = (
    "",
    " ",
    "a  ",
    "żółć",
    "日本語",
    "한국어",
    "中文",
    "😀",
    "ÿþý\ufffd",
    "\t\\N\n\r\\",
    "NULL",
    "'\"`%s",
    "a\0b",
)
#: Every byte is a character of these; of others, some bytes are none.
_WIDE_CHARSETS = (
    "big5", "cp932", "eucjpms", "euckr", "gb2312", "gbk", "sjis", "ucs2", "ujis", "utf16", "utf16le", "utf32",
    "utf8mb3", "utf8mb4",
)  # fmt: skip
_NARROW_CHARSETS = (
    "armscii8", "ascii", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "dec8", "geostd8",
    "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin1", "latin2", "latin5", "latin7", "macce",
    "macroman", "swe7", "tis620",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A table of the source."""

    name: str
    #: What stands between the parentheses of CREATE TABLE.
    columns: str
    #: Lists of values as SQL.
    rows: tuple[str, ...]
    #: Behind the parentheses.
    options: str = "ENGINE=MyISAM"
    #: Columns that the rows are for; all by default.
    into: str = ""
    #: Statements after the rows.
    then: tuple[str, ...] = ()
    #: Family of servers that can make it; None for both.
    only: Kind | None = None


def _row(*values: object) -> str:
    return ", ".join("NULL" if value is None else str(value) for value in values)


def _numbers() -> Iterable[Case]:
    kinds = ", ".join(f"{t}_s {t}, {t}_u {t} unsigned, {t}_z {t}(9) zerofill NOT NULL" for t in _INTEGERS)
    bits = _INTEGERS.values()
    lowest = _row(1, *(value for n in bits for value in (-(2 ** (n - 1)), 0, 0)))
    highest = _row(2, *(value for n in bits for value in (2 ** (n - 1) - 1, 2**n - 1, 2**n - 1)))
    missing = _row(3, *(value for _ in bits for value in (None, None, 7)))
    yield Case(name="integers", columns=f"id int PRIMARY KEY, {kinds}", rows=(lowest, highest, missing))
    widths = range(1, 65)
    yield Case(
        name="bits",
        columns=f"id int PRIMARY KEY, {', '.join(f'b{n} bit({n})' for n in widths)}",
        rows=(
            _row(1, *(2**n - 1 for n in widths)),
            _row(2, *(0 for _ in widths)),
            _row(3, *(2 ** (n - 1) for n in widths)),
            _row(4, *(None for _ in widths)),
        ),
    )
    most = f"{'9' * 35}.{'9' * 30}, {'9' * 65}, 0.{'9' * 30}"
    yield Case(
        name="decimals",
        columns="a decimal(65,30), b decimal(65,0), c decimal(30,30), d decimal(10,5) zerofill, e decimal",
        rows=(f"{most}, 1.5, 9", f"-{'9' * 35}.5, -1, -0.{'0' * 29}1, 0, -9", "NULL, NULL, NULL, NULL, NULL"),
    )
    yield Case(
        name="decimals of 38 places",
        columns="c decimal(38,38)",
        rows=(f"0.{'9' * 38}", f"-0.{'0' * 37}1", "NULL"),
        only=Kind.MARIADB,
    )
    columns = (
        "f float, fu float unsigned, fs float(7,3), fz float zerofill, d double, ds double(53,30), "
        "dz double zerofill, d2 double(10,2), wide double(255,30)"
    )
    values = (f"{n}, {', '.join([value] * 9)}" for n, value in enumerate(_FLOATS))
    nothing = _row(99, *[None] * 9)
    yield Case(name="floats", columns=f"id int PRIMARY KEY, {columns}", rows=(*values, nothing))


def _moments() -> Iterable[Case]:
    days = ", ".join(f"m{n} datetime({n})" for n in range(7))
    yield Case(
        name="days",
        columns=f"d date, r date NOT NULL, {days}",
        rows=(
            *(_row(*[f"'{day}'"] * 2, *[f"'{day} 23:59:59.999999'"] * 7) for day in _DAYS),
            _row(None, "'2020-01-01'", *[None] * 7),
        ),
    )
    stamps = ", ".join(f"s{n} timestamp({n}) NULL" for n in range(7))
    yield Case(
        name="instants",
        columns=f"{stamps}, r timestamp NOT NULL",
        rows=(*(", ".join([f"'{moment}'"] * 8) for moment in _INSTANTS), _row(*[None] * 7, "'2020-01-01'")),
    )
    times = ", ".join(f"t{n} time({n})" for n in range(7))
    yield Case(
        name="times",
        columns=times,
        rows=(*(", ".join([f"'{time}'"] * 7) for time in _TIMES), _row(*[None] * 7)),
    )
    yield Case(name="years", columns="y year", rows=("1901", "2155", "0", "NULL"))
    yield Case(
        name="years of two digits", columns="z year(2)", rows=("70", "69", "0", "NULL"), only=Kind.MARIADB
    )


def _texts() -> Iterable[Case]:
    bytes_ = (_EVERY_BYTE, "ff", "fe", "fd", "fffefd", "98", "00", "2020", "")
    yield _in_charsets("one byte a letter", _NARROW_CHARSETS, (f"x'{value}'" for value in bytes_))
    texts = (f"_utf8mb4 x'{text.encode().hex()}'" for text in _TEXTS)
    yield _in_charsets("many bytes a letter", _WIDE_CHARSETS, texts)
    yield Case(
        name="surrogates",
        columns="a varchar(9), m mediumtext",
        rows=("x'61eda08062', x'61eda08062'", "'b', 'b'"),
        options="ENGINE=MyISAM CHARACTER SET utf8mb3",
    )
    yield Case(
        name="compressed",
        columns="t text COMPRESSED, v varchar(1000) COMPRESSED, b blob COMPRESSED",
        rows=("repeat('ü', 2000), repeat('a', 1000), repeat('x', 3000)", "'', '', ''", "NULL, NULL, NULL"),
        options="ENGINE=InnoDB CHARACTER SET utf8mb4",
        only=Kind.MARIADB,
    )
    yield Case(
        name="json",
        columns="j json, k json NOT NULL",
        rows=(
            r"""'{"a":  [1, 2.50, "x\\u0000\\ud83d\\ude00\\n"], "a": 1}', '[]'""",
            "NULL, '1'",
            "'null', '\"\"'",
        ),
    )


def _in_charsets(name: str, charsets: tuple[str, ...], literals: Iterable[str]) -> Case:
    """Put each text into columns of every character set."""
    kinds = ("varchar(300) {} NULL", "mediumtext {} NULL", "char(20) {} NOT NULL")
    columns = (
        f"{charset}_{number} {kind.format(f'CHARACTER SET {charset}')}"
        for charset in charsets
        for number, kind in enumerate(kinds)
    )
    missing = _row(*[None, None, "''"] * len(charsets))
    rows = (_row(*[literal] * len(kinds) * len(charsets)) for literal in literals)
    return Case(name=name, columns=", ".join(columns), rows=(*rows, missing))


def _labels() -> Iterable[Case]:
    labels = r"'', 'a', 'it''s', 'b\\c', 'x,y', 'Ü', 'NULL', '\\N', ' lead', '0', '1'"
    yield Case(
        name="enums",
        columns=f"id int PRIMARY KEY, e enum({labels}) CHARACTER SET utf8mb4, r enum('x','y') NOT NULL, "
        f"l enum('é') CHARACTER SET latin1, b enum('a','b') CHARACTER SET binary, u enum('ß') CHARACTER SET ucs2",
        rows=(
            *(f"{n}, {n}, 0, {n % 2}, {n % 3}, {n % 2}" for n in range(12)),
            "50, NULL, 'x', NULL, NULL, NULL",
        ),
    )
    yield Case(
        name="labels the catalog garbles",
        columns="id int PRIMARY KEY, e enum('😀','b','?') CHARACTER SET utf8mb4, s set('😀','b') CHARACTER SET utf8mb4",
        rows=("1, 1, 3", "2, 2, 1", "3, 0, 0", "4, 3, 2", "5, NULL, NULL"),
    )
    members = ", ".join(f"'m{n}'" for n in range(64))
    yield Case(
        name="sets",
        columns=f"s set({members}) NOT NULL, t set('a','d''e','f\\\\g','%','`q`','ü')",
        rows=(f"{2**64 - 1}, 63", "0, 0", f"{2**63}, NULL"),
        options="CHARACTER SET utf8mb4",
    )
    many = ", ".join(f"'label{n}'" for n in range(3000))
    yield Case(name="an enum of 3000", columns=f"e enum({many})", rows=("3000", "1", "0", "NULL"))


def _bytes() -> Iterable[Case]:
    yield Case(
        name="blobs",
        columns="a tinyblob, b blob, c mediumblob, d longblob, e binary(255), f varbinary(60000)",
        rows=(
            f"x'{_EVERY_BYTE[:510]}', x'{_EVERY_BYTE}', x'{_EVERY_BYTE}', x'{_EVERY_BYTE}', x'00ff', x'fd'",
            "'', '', '', '', '', ''",
            "x'fd', x'fd', x'5c4e', x'5c4e', x'fd', x'fffefd'",
            _row(*[None] * 6),
        ),
    )
    shapes = ", ".join(f"a_{kind} {kind}, b_{kind} {kind} NOT NULL" for kind in _SHAPES)
    present = (f"ST_GeomFromText('{w}'), ST_GeomFromText('{w}', 3857)" for w in _SHAPES.values())
    missing = (f"NULL, ST_GeomFromText('{w}', 3857)" for w in _SHAPES.values())
    yield Case(name="shapes", columns=shapes, rows=(", ".join(present), ", ".join(missing)))
    # MySQL knows that these are degrees, north before east, and refuses what is not on earth.
    salem = "ST_GeomFromText('POINT(44.94 -123.03)', 4326)"
    yield Case(name="places on earth", columns="p point NOT NULL, g geometry", rows=(f"{salem}, {salem}",))
    yield Case(
        name="addresses",
        columns="u uuid PRIMARY KEY, a inet4, b inet6, n uuid",
        rows=(
            "'00000000-0000-0000-0000-000000000000', '0.0.0.0', '::', NULL",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff', '255.255.255.255', '::ffff:1.2.3.4', uuid()",
            "'123e4567-e89b-12d3-a456-426655440000', NULL, '2001:db8::1', NULL",
            "'123e4567-e89b-12d3-a456-426655440001', '1.2.3.4', '::1.2.3.4', NULL",
        ),
        only=Kind.MARIADB,
    )


def _tables() -> Iterable[Case]:
    yield Case(
        name="columns of every origin",
        columns="id int PRIMARY KEY AUTO_INCREMENT, a int DEFAULT (1 + 2), b varchar(50) DEFAULT (uuid()), "
        "v int AS (a * 2) VIRTUAL, p varchar(60) AS (concat(b, '!')) STORED, hidden int INVISIBLE DEFAULT 5, "
        "s datetime(3) DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3), CHECK (a < 100)",
        rows=("1", "2", "NULL"),
        into="(a)",
        options="ENGINE=InnoDB",
    )
    yield Case(
        name="versioned",
        columns="id int PRIMARY KEY, a int, s timestamp(6) GENERATED ALWAYS AS ROW START, "
        "e timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)",
        rows=("1, 1", "2, 2"),
        into="(id, a)",
        options="ENGINE=InnoDB WITH SYSTEM VERSIONING",
        only=Kind.MARIADB,
        then=("UPDATE versioned SET a = 5 WHERE id = 1", "DELETE FROM versioned WHERE id = 2"),
    )
    yield Case(
        name="periods",
        columns="id int, a date, b date, PERIOD FOR p (a, b), PRIMARY KEY (id, p WITHOUT OVERLAPS)",
        rows=("1, '2020-01-01', '2020-02-01'", "1, '2020-03-01', '2020-04-01'"),
        options="ENGINE=InnoDB",
        only=Kind.MARIADB,
    )
    for engine, only in (("MyISAM", Kind.MARIADB), ("InnoDB", None)):
        yield Case(
            name=f"partitions of {engine}",
            columns="id int, d date, PRIMARY KEY (id, d)",
            rows=("1, '1990-01-01'", "2, '2020-01-01'"),
            options=f"ENGINE={engine} PARTITION BY RANGE (year(d)) "
            "(PARTITION a VALUES LESS THAN (2000), PARTITION b VALUES LESS THAN MAXVALUE)",
            only=only,
        )
    for engine in ("MyISAM", "Aria", "MEMORY", "InnoDB", "CSV", "ARCHIVE", "BLACKHOLE"):
        columns = "id int NOT NULL, a varchar(20) NOT NULL"
        rows = ("1, 'a'", "1, 'a'", "2, 'b'")
        only = Kind.MARIADB if engine == "Aria" else None
        yield Case(
            name=f"twice in {engine}", columns=columns, rows=rows, options=f"ENGINE={engine}", only=only
        )
    yield Case(name="nothing but nothing", columns="a int", rows=("NULL", "NULL", "1"))
    yield Case(name="nothing but text", columns="a varchar(9)", rows=("NULL", "''", "''"))
    yield Case(name="nothing but bytes", columns="a blob", rows=("NULL", "''", "''"))
    yield Case(name="empty", columns="id int PRIMARY KEY, a text", rows=())


def _limits() -> Iterable[Case]:
    wide = (("tinyint", 1590, "7", "MyISAM"), ("int", 1000, "-1", "InnoDB"), ("text", 1500, "'x'", "MyISAM"),
            ("char(255)", 32, "'x'", "MyISAM"), ("varchar(200)", 300, "repeat('x', 200)", "MyISAM"),
            ("bigint", 990, "-1", "MyISAM"))  # fmt: skip
    for kind, number, value, engine in wide:
        yield Case(
            name=f"{number} of {kind}",
            columns=f"id int PRIMARY KEY, {', '.join(f'c{n} {kind}' for n in range(number))}",
            rows=(_row(1, *[value] * number), _row(2, *[None] * number)),
            options=f"ENGINE={engine} CHARACTER SET latin1",
        )
    yield Case(
        name="the widest row",
        columns="v varchar(65532) NOT NULL",
        rows=("repeat('x', 65532)",),
        options="ENGINE=MyISAM CHARACTER SET latin1",
    )
    yield Case(
        name="large",
        columns="id int PRIMARY KEY, b longblob, t longtext, m mediumtext",
        rows=(
            r"1, repeat(x'00ff5c09', 4 * 1024 * 1024), NULL, NULL",
            r"2, NULL, repeat('ü\t\\N', 3 * 1024 * 1024), NULL",
            r"3, NULL, NULL, repeat('\\', 16 * 1024 * 1024 - 1)",
        ),
        options="CHARACTER SET utf8mb4",
    )


CASES = tuple(
    case
    for make in (_numbers, _moments, _texts, _labels, _bytes, _tables, _limits)
    for case in make()
)  # fmt: skip
