{{ config(tags=['clinical', 'date_relative']) }}

-- Planned and not on anybody's calendar: no appointment, or one that was broken or put aside.
with appointments as (
    select appointment_id from {{ ref('int_appointments_classified') }}
    where outcome = 'scheduled'
),

codes as (
    select procedure_code_id, procedure_code from {{ ref('stg_opendental__procedurecode') }}
)

select
    procedures.procedure_id,
    procedures.patient_id,
    coalesce(procedures.provider_id, 0) as provider_id,
    coalesce(procedures.clinic_id, 0) as clinic_id,
    procedures.planned_date,
    procedures.unit_fee * (procedures.unit_quantity + procedures.base_units) as fee,
    -- Implants and what is built on them.
    coalesce(codes.procedure_code between 'D6000' and 'D6199', false) as is_implant
from {{ ref('stg_opendental__procedurelog') }} as procedures
left join appointments using (appointment_id)
left join codes using (procedure_code_id)
where procedures.procedure_status = 1
    and procedures.patient_id is not null
    and appointments.appointment_id is null
