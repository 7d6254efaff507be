{{ config(materialized='table', tags=['clinical'], post_hook="analyze {{ this }}") }}

with procedures as (
    select * from {{ ref('stg_opendental__procedurelog') }}
    where procedure_status = 2
),

codes as (
    select * from {{ ref('stg_opendental__procedurecode') }}
),

providers as (
    select provider_id, is_hygienist from {{ ref('stg_opendental__provider') }}
)

select
    procedures.procedure_id,
    procedures.patient_id,
    procedures.appointment_id,
    procedures.procedure_code_id,
    codes.procedure_code,
    coalesce(procedures.provider_id, 0) as provider_id,
    coalesce(procedures.clinic_id, 0) as clinic_id,
    {{ ledger_date('procedures.procedure_date') }} as procedure_date,
    procedures.planned_date,
    procedures.unit_fee,
    procedures.unit_quantity + procedures.base_units as quantity,
    procedures.unit_fee * (procedures.unit_quantity + procedures.base_units) as fee,
    -- A missed or cancelled appointment leaves a complete procedure, and is no visit.
    coalesce(upper(codes.procedure_code) in ('D9986', 'D9987'), false) as is_broken_appointment,
    -- The appointment's own flag is often not set.
    coalesce(codes.is_hygiene, false) or coalesce(providers.is_hygienist, false) as is_hygiene
from procedures
left join codes using (procedure_code_id)
left join providers using (provider_id)
