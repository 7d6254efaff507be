{{ config(tags=['financial', 'date_relative']) }}

with amounts as (
    select
        *,
        {{ as_of_date() }} - age_date as age_days
    from {{ ref('int_aging_amounts_dated') }}
),

-- Boundaries: 0-30, 31-60, 61-90 and over 90 days before the day; later dates are in no bucket.
by_age as (
    select
        family_id,
        sum(amount) as balance_total,
        coalesce(sum(amount) filter (where age_days >= 0), 0) as balance_as_of,
        coalesce(sum(amount) filter (where is_charge and age_days > 90), 0) as charges_over_90,
        coalesce(sum(amount) filter (where is_charge and age_days between 61 and 90), 0) as charges_61_90,
        coalesce(sum(amount) filter (where is_charge and age_days between 31 and 60), 0) as charges_31_60,
        coalesce(sum(amount) filter (where is_charge and age_days between 0 and 30), 0) as charges_0_30,
        -coalesce(sum(amount) filter (where not is_charge and age_days >= 0), 0) as credits
    from amounts
    group by family_id
),

-- A bucket that its own credits pushed below zero gives the rest to the common credits.
floored as (
    select
        family_id,
        balance_total,
        balance_as_of,
        greatest(charges_over_90, 0) as charges_over_90,
        greatest(charges_61_90, 0) as charges_61_90,
        greatest(charges_31_60, 0) as charges_31_60,
        greatest(charges_0_30, 0) as charges_0_30,
        credits
        - least(charges_over_90, 0) - least(charges_61_90, 0) - least(charges_31_60, 0) - least(charges_0_30, 0)
            as credits
    from by_age
),

-- Charges from the oldest bucket through this one that credits do not cover.
uncovered as (
    select
        *,
        charges_over_90 - credits as through_over_90,
        charges_over_90 + charges_61_90 - credits as through_61_90,
        charges_over_90 + charges_61_90 + charges_31_60 - credits as through_31_60,
        charges_over_90 + charges_61_90 + charges_31_60 + charges_0_30 - credits as through_0_30
    from floored
)

select
    family_id,
    balance_total,
    balance_as_of,
    greatest(0, least(charges_0_30, through_0_30)) as balance_0_30,
    greatest(0, least(charges_31_60, through_31_60)) as balance_31_60,
    greatest(0, least(charges_61_90, through_61_90)) as balance_61_90,
    greatest(0, least(charges_over_90, through_over_90)) as balance_over_90,
    greatest(0, -through_0_30) as unused_credit
from uncovered
