"""Invented people and places, and the price list of an invented practice."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_NAMES = (
    "Ada", "Alba", "Amos", "Anya", "Arlo", "Bea", "Boris", "Cleo", "Cora", "Dario", "Delia", "Edda", "Egon",
    "Elio", "Enid", "Ezra", "Faye", "Flora", "Galen", "Greta", "Hana", "Hugo", "Ida", "Igor", "Inez", "Ivo",
    "Jada", "Joel", "Juno", "Kai", "Kira", "Lars", "Lena", "Leon", "Lina", "Lola", "Luca", "Mae", "Magnus",
    "Mara", "Milo", "Mina", "Nadia", "Nils", "Nora", "Odin", "Olga", "Otto", "Pia", "Quinn", "Rafe", "Rhea",
    "Rosa", "Sami", "Selma", "Silas", "Tara", "Theo", "Tilda", "Ugo", "Una", "Vera", "Viggo", "Wanda",
    "Willa", "Xenia", "Yara", "Yuri", "Zane", "Zora", "Chloé", "José", "Zoë", "Søren",
)  # fmt: skip
LAST_NAMES = (
    "Alder", "Ashgrove", "Barlow", "Beck", "Birch", "Brook", "Cairn", "Caldwell", "Carrick", "Cedar",
    "Cliff", "Clover", "Dale", "Drake", "Dune", "Elm", "Fairweather", "Fallow", "Fen", "Fern", "Field",
    "Finch", "Flint", "Forrest", "Frost", "Gale", "Glade", "Glen", "Grove", "Hale", "Harbor", "Hawthorn",
    "Hazel", "Heath", "Hill", "Holt", "Ivy", "Juniper", "Kestrel", "Lake", "Lark", "Linden", "Marsh",
    "Meadow", "Moor", "Moss", "Oakley", "Orchard", "Pebble", "Pine", "Poplar", "Quarry", "Rain", "Reed",
    "Ridge", "River", "Rowan", "Sedge", "Shore", "Sparrow", "Stone", "Summers", "Thorn", "Vale", "Wells",
    "Whitlock", "Willow", "Winter", "Wren", "Yarrow", "Núñez", "O'Malley", "D'Arcy", "Müller",
    "Van-der-Berg",
)  # fmt: skip
STREETS = (
    "Acorn St",
    "Beacon Ave",
    "Canal Rd",
    "Depot Ln",
    "Elder Ct",
    "Foundry Way",
    "Granite Blvd",
    "Harvest Dr",
)
CITIES = (("Springhaven", "60901"), ("Millbrook", "60902"), ("Eastford", "60903"), ("Pinecrest", "60904"))
CARRIERS = (
    "Evergreen Dental",
    "Blue Heron Assurance",
    "Keystone Smile Plan",
    "Prairie Mutual",
    "Northgate Benefit",
    "Harborview Dental Trust",
    "Summit Employers Plan",
    "State Dental Aid",
)
EMPLOYERS = ("Anvil Works", "Bright Foods", "City Schools", "Delta Freight", "Echo Software", "Farm Co-op")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One procedure of the price list."""

    code: str
    description: str
    short: str
    #: Office fee in dollars.
    fee: float
    minutes: int
    #: Position in the list of procedure categories (definition category 11).
    category: int
    is_hygiene: bool = False
    #: 0 none, 1 surface, 2 tooth, 3 mouth, 4 quadrant.
    area: int = 3
    #: Share that a usual plan pays.
    coverage: float = 0.0
    #: Position in the list of benefit categories.
    benefit_category: int = 1


def _service(line: str) -> Service:
    code, fee, minutes, category, hygiene, area, coverage, benefit, short, description = line.split("|")
    return Service(
        code=code,
        description=description,
        short=short,
        fee=float(fee),
        minutes=int(minutes),
        category=int(category),
        is_hygiene=hygiene == "h",
        area=int(area),
        coverage=float(coverage),
        benefit_category=int(benefit),
    )


#: code, fee, minutes, category, hygiene, area, coverage, benefit category, short, description
_PRICE_LIST = """\
D0120|58|10|0|-|3|1|1|PerEx|Exam, periodic
D0140|82|20|0|-|3|1|1|LimEx|Exam, one problem
D0150|98.5|30|0|-|3|1|1|CompEx|Exam, new patient
D0210|139|15|0|-|3|1|2|FMX|X-rays, full mouth
D0220|31|5|0|-|2|1|2|PA|X-ray, one tooth
D0274|71.25|10|0|-|3|1|2|4BW|X-rays, four bitewings
D0330|128|15|0|-|3|0.8|2|Pano|X-ray, panoramic
D1110|104|40|1|h|3|1|1|Pro|Cleaning, adult
D1120|76|30|1|h|3|1|1|ChPro|Cleaning, child
D1206|42|5|1|h|3|1|1|FlVarn|Fluoride varnish
D1351|61|15|1|h|2|0.8|1|Seal|Sealant, one tooth
D2140|154|30|2|-|1|0.8|3|A1|Filling, silver, one surface
D2330|169|30|2|-|1|0.8|3|C1|Filling, white, front, one surface
D2391|186|30|2|-|1|0.8|3|C1P|Filling, white, back, one surface
D2392|232|40|2|-|1|0.8|3|C2P|Filling, white, back, two surfaces
D2393|281|50|2|-|1|0.8|3|C3P|Filling, white, back, three surfaces
D2740|1249|90|3|-|2|0.5|4|CrCer|Crown, ceramic
D2750|1188.9|90|3|-|2|0.5|4|CrPFM|Crown, porcelain on metal
D2950|296|30|3|-|2|0.5|4|BU|Core build-up
D3310|846|60|4|-|2|0.8|5|RCAnt|Root canal, front
D3330|1178|90|4|-|2|0.8|5|RCMol|Root canal, molar
D4341|263|60|5|h|4|0.8|6|SRP|Deep cleaning, one quadrant
D4910|147|50|5|h|3|0.8|6|PerMt|Cleaning after gum treatment
D5110|1790|90|6|-|3|0.5|4|UCmpD|Denture, upper
D6010|2190.1|120|6|-|2|0|4|Impl|Implant
D7140|208|30|7|-|2|0.8|7|Ext|Extraction
D7210|341|45|7|-|2|0.8|7|SurgExt|Extraction, surgical
D8080|5650|60|8|-|3|0.5|8|Ortho|Braces, adolescent
D9110|118|20|7|-|3|0.8|1|Pall|Relief of pain
D9230|68|10|7|-|3|0|1|N2O|Laughing gas
D9986|0|0|9|-|3|0|1|Missed|Appointment missed
D9987|0|0|9|-|3|0|1|Cancel|Appointment cancelled
N4101|0|5|9|-|3|0|1|Note|Office note
n4101|0|5|9|-|3|0|1|note|Office note, old spelling"""
SERVICES = tuple(_service(line) for line in _PRICE_LIST.splitlines())

#: Category number, then its entries; "name=value" where the value matters.
DEFINITIONS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (1, ("Discount=-", "Professional courtesy=-", "Finance charge=+", "Missed appointment=+", "Write-off, bad debt=-")),
    (2, ("Unconfirmed", "E-mailed", "Confirmed", "Arrived", "Ready", "Finished")),
    (4, ("Standard", "Finance charge", "Collections", "Insurance pending")),
    (10, ("Check", "Cash", "Credit card", "Care financing", "Refund")),
    (11, ("Exams and x-rays", "Cleanings", "Fillings", "Crowns", "Root canals", "Gum treatment",
          "Dentures and implants", "Surgery", "Orthodontics", "Never used")),
    (13, ("Left message", "Postcard sent", "E-mail sent", "Unreachable")),
    (16, ("Caries", "Fractured tooth", "Periodontitis")),
    (20, ("1", "2", "Recommended", "Optional")),
    (25, ("Lunch", "Meeting", "Emergencies only")),
    (27, ("Appointment related=APPT", "Insurance", "Financial=FIN", "Recall=RECALL", "Miscellaneous=MISC")),
    (29, ("Prepayment", "Treatment plan deposit=X")),
    (32, ("Insurance check", "Electronic transfer")),
    (36, ("Received by carrier", "Appealed")),
    (38, ("Verified", "Could not verify")),
    (39, ("North", "South")),
    (46, ("National", "Local")),
    (47, ("Standard plan",)),
)  # fmt: skip
