{{ config(tags=['financial', 'system_a', 'clinical']) }}

with procedures as (
    select
        *,
        case when procedure_status = 2 then unit_fee * (unit_quantity + base_units) else 0 end as production
    from {{ ref('stg_opendental__procedurelog') }}
),

codes as (
    select procedure_code_id, procedure_code, is_hygiene from {{ ref('stg_opendental__procedurecode') }}
),

providers as (
    select provider_id, is_hygienist from {{ ref('stg_opendental__provider') }}
),

adjusted as (
    select procedure_id, sum(amount) as adjustments
    from {{ ref('stg_opendental__adjustment') }}
    group by procedure_id
),

insured as (
    select
        procedure_id,
        sum(insurance_paid) filter (where claim_procedure_status in (1, 4, 5, 7)) as insurance_paid,
        sum(write_off) filter (where claim_procedure_status in (1, 4, 5)) as write_offs,
        sum(write_off) filter (where claim_procedure_status = 7) as capitation,
        sum(insurance_estimate) filter (where claim_procedure_status = 0) as insurance_estimate
    from {{ ref('stg_opendental__claimproc') }}
    group by procedure_id
),

paid as (
    select procedure_id, sum(amount) as patient_paid
    from {{ ref('stg_opendental__paysplit') }}
    group by procedure_id
),

joined as (
    select
        procedures.*,
        -- The flag of the code, or a hygienist's work.
        coalesce(codes.is_hygiene, false) or coalesce(providers.is_hygienist, false) as is_hygiene,
        coalesce(upper(codes.procedure_code) in ('D9986', 'D9987'), false) as is_broken_appointment,
        coalesce(adjusted.adjustments, 0) as adjustments,
        coalesce(insured.insurance_paid, 0) as insurance_paid,
        coalesce(insured.write_offs, 0) as write_offs,
        coalesce(insured.capitation, 0) as capitation,
        coalesce(insured.insurance_estimate, 0) as insurance_estimate,
        coalesce(paid.patient_paid, 0) as patient_paid
    from procedures
    left join codes using (procedure_code_id)
    left join providers using (provider_id)
    left join adjusted using (procedure_id)
    left join insured using (procedure_id)
    left join paid using (procedure_id)
)

select
    procedure_id,
    coalesce(patient_id, 0) as patient_id,
    coalesce(provider_id, 0) as provider_id,
    coalesce(clinic_id, 0) as clinic_id,
    coalesce(procedure_code_id, 0) as procedure_code_id,
    appointment_id,
    procedure_status,
    procedure_status_label,
    procedure_date,
    planned_date,
    tooth_number,
    surfaces,
    unit_quantity + base_units as quantity,
    {{ cents('unit_fee') }} as unit_fee,
    {{ cents('production') }} as production,
    {{ cents('capitation') }} as capitation_write_offs,
    {{ cents('adjustments') }} as adjustments,
    {{ cents('write_offs') }} as insurance_write_offs,
    {{ cents('insurance_paid') }} as insurance_paid,
    {{ cents('patient_paid') }} as patient_paid,
    {{ cents('insurance_estimate') }} as insurance_estimate,
    {{ cents('production - capitation + adjustments - write_offs - insurance_paid - patient_paid') }} as unpaid,
    procedure_status = 2 as is_complete,
    procedure_status in (1, 8) as is_planned,
    is_hygiene,
    is_broken_appointment
from joined
