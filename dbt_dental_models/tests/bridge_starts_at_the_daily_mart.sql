-- The bridge's production and income are those of the daily mart, by month, provider and clinic.
with daily as (
    select
        cast(date_trunc('month', activity_date) as date) as activity_month,
        provider_id,
        clinic_id,
        sum(net_production - collections) as amount,
        count(*) as row_count
    from {{ ref('mart_daily_production_collections') }}
    group by 1, 2, 3
)

select activity_month, provider_id, clinic_id, daily.amount, bridge.production_less_income
from daily
full join {{ ref('mart_receivables_bridge') }} as bridge using (activity_month, provider_id, clinic_id)
where abs(coalesce(daily.amount, 0) - coalesce(bridge.production_less_income, 0))
    > 0.03 * (coalesce(daily.row_count, 0) + 1)
