{{ config(tags=['financial', 'date_relative']) }}

with claim_procedures as (
    select * from {{ ref('stg_opendental__claimproc') }}
),

procedures as (
    select procedure_id, procedure_status from {{ ref('stg_opendental__procedurelog') }}
),

rules as (
    select * from {{ ref('int_accounting_rules_resolved') }}
),

-- By total, or on a complete procedure; before 22.2 the procedure's status did not matter.
eligible as (
    select claim_procedures.*
    from claim_procedures
    cross join rules
    left join procedures using (procedure_id)
    where claim_procedures.procedure_id is null
        or procedures.procedure_status = 2
        or rules.database_version < 2202
),

-- Payment and write-off stay one entry: as two, a reversal of one of them would age differently.
posted as (
    select
        'insurance' as entry_type,
        claim_procedure_id as source_id,
        patient_id,
        provider_id,
        clinic_id,
        {{ ledger_date('posted_date') }} as entry_date,
        -(case when payment_plan_id is null then insurance_paid else 0 end) - write_off as amount,
        0 as insurance_estimate,
        0 as write_off_estimate
    from eligible
    where claim_procedure_status in (1, 4, 5, 7)
),

-- Not in the balance: what insurance is still expected to pay and to write off.
estimated as (
    select
        'insurance_estimate' as entry_type,
        claim_procedure_id as source_id,
        patient_id,
        provider_id,
        clinic_id,
        {{ ledger_date('procedure_date') }} as entry_date,
        0 as amount,
        insurance_estimate,
        write_off as write_off_estimate
    from eligible
    {% if var('is_historic') -%}
    where {{ ledger_date('procedure_date') }} <= {{ as_of_date() }}
        and (
            claim_procedure_status = 0
            or (claim_procedure_status = 1 and posted_date > {{ as_of_date() }})
        )
    {%- else -%}
    where claim_procedure_status = 0
    {%- endif %}
)

select * from posted where amount <> 0
union all
select * from estimated where insurance_estimate <> 0 or write_off_estimate <> 0
