-- A table, because as a view the ledger would sum all insurance again for every link.
{{ config(materialized='table', tags=['financial'], post_hook="analyze {{ this }}") }}

with procedures as (
    select * from {{ ref('stg_opendental__procedurelog') }}
),

linked as (
    select distinct linked_id as procedure_id
    from {{ ref('stg_opendental__payplanlink') }}
    where link_type = 2
),

-- Only adjustments of the procedure's own patient, provider and clinic belong to it.
adjusted as (
    select procedure_id, patient_id, provider_id, clinic_id, sum(amount) as amount
    from {{ ref('stg_opendental__adjustment') }}
    group by procedure_id, patient_id, provider_id, clinic_id
),

-- Received, supplemental and capitation write-offs count as paid; everything else but preauthorisations as estimated.
insured as (
    select
        procedure_id,
        sum(
            case
                when claim_procedure_status in (1, 4, 7) then insurance_paid + write_off
                else
                    coalesce(insurance_estimate_override, insurance_estimate)
                    + coalesce(write_off_estimate_override, write_off_estimate, 0)
            end
        ) as amount
    from {{ ref('stg_opendental__claimproc') }}
    where claim_procedure_status <> 2
    group by procedure_id
),

-- Splits outside plans, hidden ones too, of any date.
paid as (
    select procedure_id, sum(amount) as amount
    from {{ ref('stg_opendental__paysplit') }}
    where payment_plan_id is null
    group by procedure_id
)

select
    procedures.procedure_id,
    procedures.patient_id,
    procedures.provider_id,
    procedures.clinic_id,
    procedures.procedure_status,
    procedures.procedure_date,
    procedures.unit_fee * (procedures.unit_quantity + procedures.base_units)
    + coalesce(adjusted.amount, 0)
    - coalesce(insured.amount, 0)
    - coalesce(paid.amount, 0) as amount
from procedures
inner join linked using (procedure_id)
left join adjusted
    on procedures.procedure_id = adjusted.procedure_id
    and procedures.patient_id is not distinct from adjusted.patient_id
    and procedures.provider_id is not distinct from adjusted.provider_id
    and procedures.clinic_id is not distinct from adjusted.clinic_id
left join insured on procedures.procedure_id = insured.procedure_id
left join paid on procedures.procedure_id = paid.procedure_id
