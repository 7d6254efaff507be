-- Charges and adjustments are the same money in the ledger and in the daily mart.
with ledger as (
    select
        entry_type,
        round(coalesce(sum(amount), 0), 2) as amount
    from {{ ref('int_ledger_entries') }}
    where entry_type in ('procedure', 'adjustment')
    group by entry_type
),

daily as (
    select 'procedure' as entry_type, sum(gross_production + capitation_write_offs) as amount, count(*) as row_count
    from {{ ref('mart_daily_production_collections') }}
    union all
    select 'adjustment', sum(adjustments), count(*)
    from {{ ref('mart_daily_production_collections') }}
)

select *
from ledger
inner join daily using (entry_type)
where abs(ledger.amount - daily.amount) > 0.005 * daily.row_count
