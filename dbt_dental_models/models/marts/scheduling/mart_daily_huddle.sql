{{ config(tags=['scheduling', 'critical', 'date_relative', 'system_c']) }}

with appointments as (
    select
        appointment_date as huddle_date,
        clinic_id,
        provider_id,
        count(*) as appointments,
        count(*) filter (where is_confirmed) as confirmed_appointments,
        count(*) filter (where is_new_patient) as new_patient_appointments,
        count(*) filter (where is_insurance_unverified) as insurance_unverified,
        count(*) filter (where is_birthday) as birthdays,
        count(*) filter (where family_balance_over_90 > 0) as appointments_owing_over_90,
        round(sum(family_balance_over_90), 2) as balance_over_90,
        sum(family_recalls_due) as family_recalls_due,
        round(sum(unscheduled_amount), 2) as unscheduled_amount
    from {{ ref('int_huddle_appointments_enriched') }}
    group by 1, 2, 3
),

production as (
    select appointment_date as huddle_date, clinic_id, provider_id, round(sum(amount), 2) as scheduled_production
    from {{ ref('int_production_scheduled') }}
    where appointment_date between {{ as_of_date() }} and {{ as_of_date() }} + 7
    group by 1, 2, 3
),

hours as (
    select
        hours.schedule_date as huddle_date,
        hours.clinic_id,
        hours.provider_id,
        hours.scheduled_minutes / 60.0 * coalesce(providers.hourly_production_goal, 0) as goal
    from {{ ref('int_provider_hours_merged') }} as hours
    left join {{ ref('stg_opendental__provider') }} as providers using (provider_id)
    where hours.schedule_date between {{ as_of_date() }} and {{ as_of_date() }} + 7
),

last_day as (
    select * from {{ ref('int_huddle_last_day_summed') }}
)

select
    {{ as_of_date() }} as as_of_date,
    huddle_date,
    clinic_id,
    provider_id,
    {% for count in [
        'appointments', 'confirmed_appointments', 'new_patient_appointments', 'insurance_unverified', 'birthdays',
        'appointments_owing_over_90', 'family_recalls_due'
    ] -%}
    cast(coalesce(appointments.{{ count }}, 0) as integer) as {{ count }},
    {% endfor -%}
    cast(coalesce(appointments.appointments - appointments.confirmed_appointments, 0) as integer)
        as unconfirmed_appointments,
    {{ ratio('appointments.confirmed_appointments', 'appointments.appointments') }} as confirmed_rate,
    {{ cents('coalesce(appointments.balance_over_90, 0)') }} as balance_over_90,
    {{ cents('coalesce(appointments.unscheduled_amount, 0)') }} as unscheduled_amount,
    {{ cents('coalesce(production.scheduled_production, 0)') }} as scheduled_production,
    {{ cents('coalesce(hours.goal, 0)') }} as production_goal,
    {{ ratio('production.scheduled_production', 'hours.goal') }} as goal_share,
    last_day.last_worked_date,
    {{ cents('coalesce(last_day.production, 0)') }} as last_day_production,
    {{ cents('coalesce(last_day.collections, 0)') }} as last_day_collections,
    cast(coalesce(last_day.broken_appointments, 0) as integer) as last_day_broken_appointments,
    cast(coalesce(last_day.new_patients, 0) as integer) as last_day_new_patients
from appointments
full join production using (huddle_date, clinic_id, provider_id)
full join hours using (huddle_date, clinic_id, provider_id)
left join last_day using (clinic_id, provider_id)
