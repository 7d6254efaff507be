"""Values that real clinics have."""

from dental_etl.sandbox.synthetic.world import World


def add_oddities(world: World) -> None:
    return
