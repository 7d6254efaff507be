{{ config(tags=['financial']) }}

with procedures as (
    select * from {{ ref('int_procedures_completed') }}
    where not is_broken_appointment
),

providers as (
    select provider_id, fee_schedule_id from {{ ref('stg_opendental__provider') }}
),

-- The plan that was billed first.
primary_plans as (
    select distinct on (procedure_id) procedure_id, insurance_plan_id
    from {{ ref('stg_opendental__claimproc') }}
    where procedure_id is not null
        and insurance_plan_id is not null
    order by procedure_id, claim_procedure_id
),

-- What the insurer allows: the plan's own schedule, or the one kept for plans without a contract.
plans as (
    select
        insurance_plan_id,
        coalesce(fee_schedule_id, allowed_fee_schedule_id) as fee_schedule_id
    from {{ ref('stg_opendental__insplan') }}
),

wanted as (
    select procedures.*, 'office' as schedule, providers.fee_schedule_id
    from procedures
    inner join providers using (provider_id)
    union all
    select procedures.*, 'insurer', plans.fee_schedule_id
    from procedures
    inner join primary_plans using (procedure_id)
    inner join plans using (insurance_plan_id)
),

-- A fee for clinic and provider goes before one for the provider, that before one for the clinic, that before
-- the general one; of several, the latest that was in force.
matched as (
    select distinct on (wanted.procedure_id, wanted.schedule)
        wanted.procedure_id,
        wanted.schedule,
        wanted.fee_schedule_id,
        fees.amount
    from wanted
    inner join {{ ref('stg_opendental__fee') }} as fees
        on wanted.fee_schedule_id = fees.fee_schedule_id
        and wanted.procedure_code_id = fees.procedure_code_id
        and coalesce(fees.provider_id, wanted.provider_id) = wanted.provider_id
        and coalesce(fees.clinic_id, wanted.clinic_id) = wanted.clinic_id
        and coalesce(fees.effective_date, date '0001-01-01') <= wanted.procedure_date
    order by
        wanted.procedure_id, wanted.schedule,
        fees.provider_id is not null desc, fees.clinic_id is not null desc,
        fees.effective_date desc nulls last, fees.fee_id desc
)

-- A blank in the schedule that applies (-1, which staging made NULL) means: no fee here, not the next one.
select procedure_id, schedule, fee_schedule_id, amount
from matched
where amount is not null
