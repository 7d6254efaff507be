{{ config(tags=['scheduling']) }}

-- Hours that two rows both name are worked once.
with shifts as (
    select
        schedule_date,
        provider_id,
        coalesce(clinic_id, 0) as clinic_id,
        extract(epoch from start_time) / 60 as start_minute,
        extract(epoch from stop_time) / 60 as stop_minute
    from {{ ref('stg_opendental__schedule') }}
    where schedule_type = 1
        and schedule_status = 0
        and provider_id is not null
        and schedule_date is not null
        and stop_time > start_time
),

reached as (
    select
        *,
        max(stop_minute) over (
            partition by schedule_date, provider_id, clinic_id
            order by start_minute, stop_minute
            rows between unbounded preceding and 1 preceding
        ) as reached_minute
    from shifts
)

select
    schedule_date,
    provider_id,
    clinic_id,
    cast(
        round(sum(greatest(stop_minute - greatest(start_minute, coalesce(reached_minute, start_minute)), 0)))
        as integer
    ) as scheduled_minutes
from reached
group by schedule_date, provider_id, clinic_id
