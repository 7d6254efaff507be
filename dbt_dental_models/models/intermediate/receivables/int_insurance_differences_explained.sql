{{ config(tags=['financial']) }}

-- The monthly report counts cheques on their dates; the ledger counts postings, and only some of them.
with rules as (
    select * from {{ ref('int_accounting_rules_resolved') }}
),

procedures as (
    select procedure_id, procedure_status from {{ ref('stg_opendental__procedurelog') }}
),

cheques as (
    select claim_payment_id, check_date from {{ ref('stg_opendental__claimpayment') }}
),

claim_procedures as (
    select
        lines.*,
        cheques.claim_payment_id is not null as has_cheque,
        cheques.check_date,
        lines.claim_procedure_status in (1, 4, 5, 7) as is_posted,
        lines.procedure_id is null
        or procedures.procedure_status is not distinct from 2
        or rules.database_version < 2202 as is_in_ledger
    from {{ ref('stg_opendental__claimproc') }} as lines
    cross join rules
    left join procedures using (procedure_id)
    left join cheques on lines.claim_payment_id = cheques.claim_payment_id
),

differences as (
    select check_date as activity_date, 'insurance_dates' as reason, insurance_paid as amount, *
    from claim_procedures
    where has_cheque
    union all
    select posted_date, 'insurance_dates', -insurance_paid, *
    from claim_procedures
    where has_cheque
    union all
    select posted_date, 'insurance_without_cheque', -insurance_paid, *
    from claim_procedures
    where is_posted and not has_cheque
    union all
    select posted_date, 'insurance_not_posted', insurance_paid, *
    from claim_procedures
    where has_cheque and not is_posted
    union all
    select posted_date, 'insurance_on_plans', insurance_paid, *
    from claim_procedures
    where is_posted and payment_plan_id is not null and is_in_ledger
    union all
    select posted_date, 'insurance_on_incomplete', insurance_paid, *
    from claim_procedures
    where is_posted and not is_in_ledger
    union all
    select posted_date, 'write_offs_on_incomplete', write_off, *
    from claim_procedures
    where claim_procedure_status in (1, 4) and not is_in_ledger
    union all
    select posted_date, 'capitated_claims', -write_off, *
    from claim_procedures
    where claim_procedure_status = 5 and is_in_ledger
    union all
    select posted_date, 'capitation_dates', -write_off, *
    from claim_procedures
    where claim_procedure_status = 7 and is_in_ledger
)

select
    activity_date,
    provider_id,
    clinic_id,
    reason,
    amount
from differences
where amount <> 0
