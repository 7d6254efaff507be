{{ config(tags=['scheduling', 'critical', 'system_c']) }}

with measures as (
    select * from {{ ref('int_appointments_broken') }}
),

minutes as (
    select
        appointment_date as activity_date,
        provider_id,
        clinic_id,
        sum(minutes) filter (where outcome in ('scheduled', 'completed')) as booked_minutes,
        avg(waited_minutes) filter (where outcome = 'completed' and waited_minutes >= 0) as waited_minutes
    from {{ ref('int_appointments_classified') }}
    where appointment_date is not null
    group by 1, 2, 3
),

hours as (
    select schedule_date as activity_date, provider_id, clinic_id, scheduled_minutes
    from {{ ref('int_provider_hours_merged') }}
),

counts as (
    select
        activity_date,
        provider_id,
        clinic_id,
        {% for measure in [
            'scheduled', 'completed', 'broken', 'missed_by_procedure', 'cancelled_by_procedure',
            'missed_by_history', 'cancelled_by_history', 'deleted', 'fee_charged'
        ] -%}
        count(*) filter (where measure = '{{ measure }}') as {{ measure }},
        {% endfor -%}
        round(coalesce(sum(amount) filter (where measure = 'fee_charged'), 0), 2) as fees
    from measures
    group by activity_date, provider_id, clinic_id
)

select
    counts.activity_date,
    counts.provider_id,
    counts.clinic_id,
    scheduled as scheduled_appointments,
    completed as completed_appointments,
    broken as broken_appointments,
    missed_by_procedure,
    cancelled_by_procedure,
    missed_by_history,
    cancelled_by_history,
    deleted as deleted_appointments,
    fee_charged as fees_charged,
    {{ cents('fees') }} as fee_amount,
    {{ ratio('broken', 'completed + broken') }} as broken_rate,
    {{ ratio('missed_by_procedure', 'completed + broken') }} as missed_rate_by_procedure,
    {{ ratio('missed_by_history', 'completed + broken + cancelled_by_history') }} as missed_rate_by_history,
    {{ ratio('cancelled_by_history', 'completed + broken + cancelled_by_history') }} as cancelled_rate_by_history,
    cast(coalesce(minutes.booked_minutes, 0) as integer) as booked_minutes,
    cast(coalesce(hours.scheduled_minutes, 0) as integer) as scheduled_minutes,
    {{ ratio('minutes.booked_minutes', 'hours.scheduled_minutes') }} as booked_share,
    cast(round(minutes.waited_minutes, 1) as numeric(8, 1)) as waited_minutes
from counts
left join minutes using (activity_date, provider_id, clinic_id)
left join hours using (activity_date, provider_id, clinic_id)
