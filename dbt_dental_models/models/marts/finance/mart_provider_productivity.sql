{{ config(tags=['financial', 'date_relative']) }}

with money as (
    select *
    from {{ ref('mart_daily_production_collections') }}
    where activity_date <= {{ as_of_date() }}
),

visits as (
    select
        procedure_date as activity_date,
        provider_id,
        clinic_id,
        count(distinct patient_id) as visits
    from {{ ref('int_procedures_completed') }}
    where not is_broken_appointment
        and procedure_date <= {{ as_of_date() }}
    group by 1, 2, 3
),

hours as (
    select schedule_date as activity_date, provider_id, clinic_id, scheduled_minutes
    from {{ ref('int_provider_hours_merged') }}
    where schedule_date <= {{ as_of_date() }}
),

providers as (
    select provider_id, is_hygienist, hourly_production_goal from {{ ref('stg_opendental__provider') }}
),

totals as (
    select
        cast(date_trunc('month', activity_date) as date) as activity_month,
        provider_id,
        clinic_id,
        coalesce(sum(money.gross_production), 0) as gross_production,
        coalesce(sum(money.net_production), 0) as net_production,
        coalesce(sum(money.collections), 0) as collections,
        coalesce(sum(visits.visits), 0) as visits,
        round(coalesce(sum(hours.scheduled_minutes), 0) / 60.0, 2) as scheduled_hours
    from money
    full join visits using (activity_date, provider_id, clinic_id)
    full join hours using (activity_date, provider_id, clinic_id)
    group by 1, 2, 3
)

select
    activity_month,
    totals.provider_id,
    clinic_id,
    coalesce(providers.is_hygienist, false) as is_hygienist,
    {{ cents('gross_production') }} as gross_production,
    {{ cents('net_production') }} as net_production,
    {{ cents('collections') }} as collections,
    cast(visits as bigint) as visits,
    {{ cents('scheduled_hours') }} as scheduled_hours,
    {{ ratio('net_production', 'visits') }} as net_production_per_visit,
    {{ ratio('net_production', 'scheduled_hours') }} as net_production_per_hour,
    {{ cents('coalesce(providers.hourly_production_goal, 0) * scheduled_hours') }} as production_goal,
    {{ ratio('net_production', 'coalesce(providers.hourly_production_goal, 0) * scheduled_hours') }} as goal_share,
    {{ ratio('collections', 'net_production') }} as net_collection_rate
from totals
left join providers using (provider_id)
