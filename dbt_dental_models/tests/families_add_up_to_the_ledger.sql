-- The sum over families is the sum over the ledger, to the cent per family.
with ledger as (
    select coalesce(sum(amount), 0) as amount
    from {{ ref('int_ledger_entries') }}
    where family_id is not null
),

families as (
    select coalesce(sum(balance_total), 0) as amount, count(*) as family_count
    from {{ ref('mart_ar_aging_family') }}
)

select *
from ledger
cross join families
where abs(ledger.amount - families.amount) > 0.005 * families.family_count
