-- All months of the bridge together are what all families owe, future entries included.
with bridge as (
    select coalesce(sum(receivables_change), 0) as amount, count(*) as row_count
    from {{ ref('mart_receivables_bridge') }}
),

families as (
    select coalesce(sum(balance_total), 0) as amount, count(*) as row_count
    from {{ ref('mart_ar_aging_family') }}
)

select *
from bridge
cross join families
where abs(bridge.amount - families.amount) > 0.005 * (bridge.row_count + families.row_count)
