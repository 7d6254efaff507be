{{ config(tags=['scheduling']) }}

-- Planned appointments are templates and notes are no appointments: neither is ever counted.
select
    appointments.appointment_id,
    appointments.patient_id,
    coalesce(appointments.provider_id, 0) as provider_id,
    appointments.hygienist_id,
    coalesce(appointments.clinic_id, 0) as clinic_id,
    appointments.appointment_at,
    cast(appointments.appointment_at as date) as appointment_date,
    appointments.confirmation_id,
    appointments.is_new_patient,
    -- Five minutes per character.
    5 * length(coalesce(appointments.time_pattern, '')) as minutes,
    cast(extract(epoch from appointments.seated_at - appointments.arrived_at) / 60 as numeric) as waited_minutes,
    case appointments.appointment_status
        when 1 then 'scheduled'
        when 2 then 'completed'
        when 4 then 'scheduled'
        when 5 then 'broken'
        else 'unscheduled'
    end as outcome
from {{ ref('stg_opendental__appointment') }} as appointments
where appointments.appointment_status not in (6, 7, 8)
