{{ config(materialized='table', tags=['financial'], post_hook="analyze {{ this }}") }}

with procedures as (
    select
        *,
        unit_fee * (unit_quantity + base_units) as fee
    from {{ ref('stg_opendental__procedurelog') }}
    where procedure_status = 2
),

claim_procedures as (
    select * from {{ ref('stg_opendental__claimproc') }}
),

-- One row per claim procedure even where a conversion left two; the last one counts.
snapshots as (
    select distinct on (claim_procedure_id) claim_procedure_id, write_off, entered_at
    from {{ ref('stg_opendental__claimsnapshot') }}
    where claim_procedure_id is not null
    order by claim_procedure_id, claim_snapshot_id desc
),

production as (
    select
        procedure_date as activity_date, patient_id, provider_id, clinic_id, 'production' as measure, fee as amount
    from procedures
),

-- Capitation lowers production itself, on the procedure's own day, provider and clinic.
capitation as (
    select
        procedures.procedure_date,
        procedures.patient_id,
        procedures.provider_id,
        procedures.clinic_id,
        'capitation',
        claim_procedures.write_off
    from claim_procedures
    inner join procedures using (procedure_id)
    where claim_procedures.claim_procedure_status = 7
),

adjustments as (
    select adjustment_date, patient_id, provider_id, clinic_id, 'adjustment', amount
    from {{ ref('stg_opendental__adjustment') }}
),

-- Three ways to date a write-off; the practice's preference picks one, all are kept.
write_offs_by_payment as (
    select posted_date, patient_id, provider_id, clinic_id, 'write_off_by_payment', write_off
    from claim_procedures
    where claim_procedure_status in (1, 4)
),

write_offs_by_procedure as (
    select procedure_date, patient_id, provider_id, clinic_id, 'write_off_by_procedure', write_off
    from claim_procedures
    where claim_procedure_status in (0, 1, 4)
),

-- What was expected when the claim was made, and what turned out different when it was paid.
write_offs_by_claim as (
    select
        cast(snapshots.entered_at as date),
        claim_procedures.patient_id,
        claim_procedures.provider_id,
        claim_procedures.clinic_id,
        'write_off_by_claim',
        snapshots.write_off
    from claim_procedures
    inner join snapshots using (claim_procedure_id)
    where claim_procedures.claim_procedure_status in (0, 1, 4)
    union all
    select
        claim_procedures.posted_date,
        claim_procedures.patient_id,
        claim_procedures.provider_id,
        claim_procedures.clinic_id,
        'write_off_by_claim',
        claim_procedures.write_off - coalesce(snapshots.write_off, 0)
    from claim_procedures
    left join snapshots using (claim_procedure_id)
    where claim_procedures.claim_procedure_status in (1, 4)
),

amounts as (
    select * from production
    union all
    select * from capitation
    union all
    select * from adjustments
    union all
    select * from write_offs_by_payment
    union all
    select * from write_offs_by_procedure
    union all
    select * from write_offs_by_claim
)

select
    {{ ledger_date('activity_date') }} as activity_date,
    patient_id,
    coalesce(provider_id, 0) as provider_id,
    coalesce(clinic_id, 0) as clinic_id,
    measure,
    amount
from amounts
where amount <> 0
