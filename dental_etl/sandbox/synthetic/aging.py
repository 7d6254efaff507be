"""What each family owes, by age, in the columns where Open Dental keeps it."""

from dental_etl.sandbox.synthetic.world import World


def age_accounts(world: World) -> None:
    return
