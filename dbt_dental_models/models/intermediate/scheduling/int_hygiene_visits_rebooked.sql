{{ config(tags=['scheduling', 'date_relative']) }}

with visits as (
    select
        patient_id,
        procedure_date as visit_date,
        min(provider_id) as provider_id,
        min(clinic_id) as clinic_id
    from {{ ref('int_procedures_completed') }}
    where is_hygiene
        and not is_broken_appointment
        and patient_id is not null
    group by patient_id, procedure_date
),

hygienists as (
    select provider_id from {{ ref('stg_opendental__provider') }}
    where is_hygienist
),

hygiene_procedures as (
    select distinct procedures.appointment_id
    from {{ ref('stg_opendental__procedurelog') }} as procedures
    inner join {{ ref('stg_opendental__procedurecode') }} as codes using (procedure_code_id)
    where codes.is_hygiene
),

-- Every version of an appointment says what was booked at that moment; later moves do not change it.
versions as (
    select
        versions.patient_id,
        cast(versions.changed_at as date) as from_date,
        cast(lead(versions.changed_at) over (
            partition by versions.appointment_id order by versions.changed_at, versions.appointment_version_id
        ) as date) as to_date,
        cast(versions.appointment_at as date) as appointment_date,
        versions.appointment_status,
        versions.change_action,
        versions.is_hygiene or hygienists.provider_id is not null or hygiene_procedures.appointment_id is not null
            as is_hygiene
    from {{ ref('stg_opendental__histappointment') }} as versions
    left join hygienists on versions.hygienist_id = hygienists.provider_id
    left join hygiene_procedures using (appointment_id)
),

bookings as (
    select patient_id, from_date, to_date, appointment_date
    from versions
    where is_hygiene
        and appointment_status = 1
        and change_action <> 4
)

select
    visits.patient_id,
    visits.visit_date,
    visits.provider_id,
    visits.clinic_id,
    -- Booked by the end of that day, for a later one.
    coalesce(
        bool_or(
            bookings.appointment_date > visits.visit_date
            and bookings.from_date <= visits.visit_date
            and coalesce(bookings.to_date > visits.visit_date, true)
        ),
        false
    ) as is_rebooked
from visits
left join bookings using (patient_id)
where visits.visit_date <= {{ as_of_date() }}
group by visits.patient_id, visits.visit_date, visits.provider_id, visits.clinic_id
