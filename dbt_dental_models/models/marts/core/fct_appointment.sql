{{ config(tags=['smoke', 'clinical', 'system_c', 'critical', 'date_relative']) }}

with appointments as (
    select
        *,
        -- Midnight means that nobody pressed the button.
        case when cast(arrived_at as time) > time '00:00' then arrived_at end as arrival,
        case when cast(seated_at as time) > time '00:00' then seated_at end as seating,
        case when cast(dismissed_at as time) > time '00:00' then dismissed_at end as dismissal
    from {{ ref('stg_opendental__appointment') }}
),

definitions as (
    select definition_id, item_name from {{ ref('stg_opendental__definition') }}
),

appointment_types as (
    select appointment_type_id, appointment_type_name from {{ ref('stg_opendental__appointmenttype') }}
),

procedures as (
    select
        appointment_id,
        count(*) filter (where procedure_status in (1, 2)) as procedures,
        sum(unit_fee * (unit_quantity + base_units)) filter (where procedure_status = 1) as planned_fee,
        sum(unit_fee * (unit_quantity + base_units)) filter (where procedure_status = 2) as production
    from {{ ref('stg_opendental__procedurelog') }}
    where appointment_id is not null
    group by appointment_id
)

select
    appointments.appointment_id,
    coalesce(appointments.patient_id, 0) as patient_id,
    coalesce(appointments.provider_id, 0) as provider_id,
    coalesce(appointments.hygienist_id, 0) as hygienist_id,
    coalesce(appointments.clinic_id, 0) as clinic_id,
    appointments.operatory_id,
    appointments.appointment_at,
    cast(appointments.appointment_at as date) as appointment_date,
    appointments.appointment_status,
    appointments.appointment_status_label,
    coalesce(appointment_types.appointment_type_name, 'none') as appointment_type,
    coalesce(definitions.item_name, 'none') as confirmation_status,
    length(appointments.time_pattern) * 5 as minutes,
    cast(appointments.appointment_at as date) - cast(appointments.entered_at as date) as lead_days,
    cast(extract(epoch from appointments.seating - appointments.arrival) / 60 as integer) as waiting_minutes,
    cast(extract(epoch from appointments.dismissal - appointments.seating) / 60 as integer) as chair_minutes,
    cast(coalesce(procedures.procedures, 0) as integer) as procedures,
    {{ cents('case when appointments.appointment_status = 1 then coalesce(procedures.planned_fee, 0) else 0 end') }}
        as scheduled_production,
    {{ cents('coalesce(procedures.production, 0)') }} as production,
    appointments.is_new_patient,
    appointments.is_hygiene,
    coalesce(appointments.appointment_status = 1, false) as is_scheduled,
    coalesce(appointments.appointment_status = 2, false) as is_complete,
    coalesce(appointments.appointment_status = 5, false) as is_broken,
    -- Templates and notes stand in the same table and are no appointments.
    coalesce(appointments.appointment_status in (1, 2, 4, 5), false) as is_counted,
    coalesce(cast(appointments.appointment_at as date) > {{ as_of_date() }}, false) as is_future
from appointments
left join definitions on appointments.confirmation_id = definitions.definition_id
left join appointment_types using (appointment_type_id)
left join procedures using (appointment_id)
