{{ config(materialized='table', tags=['financial'], post_hook="analyze {{ this }}") }}

with hidden_types as (
    select definition_id
    from {{ ref('stg_opendental__definition') }}
    where category = 29
        and coalesce(item_value, '') <> ''
),

splits as (
    select
        splits.*,
        case when splits.unearned_type_id is null then 'patient_income' else 'unearned_income' end as measure
    from {{ ref('stg_opendental__paysplit') }} as splits
    left join hidden_types on splits.unearned_type_id = hidden_types.definition_id
    where not splits.is_discount
        and hidden_types.definition_id is null
),

claim_procedures as (
    select * from {{ ref('stg_opendental__claimproc') }}
),

claim_payments as (
    select claim_payment_id, check_date from {{ ref('stg_opendental__claimpayment') }}
),

patient_income as (
    select payment_date as activity_date, patient_id, provider_id, clinic_id, measure, amount
    from splits
),

-- The monthly report counts a cheque's claim procedures of any status, on the cheque's date.
insurance_income as (
    select
        claim_payments.check_date,
        claim_procedures.patient_id,
        claim_procedures.provider_id,
        claim_procedures.clinic_id,
        'insurance_income',
        claim_procedures.insurance_paid
    from claim_procedures
    inner join claim_payments using (claim_payment_id)
),

-- The ledger counts what is posted, on the day of posting, whether or not a cheque is attached.
insurance_posted as (
    select posted_date, patient_id, provider_id, clinic_id, 'insurance_posted', insurance_paid
    from claim_procedures
    where claim_procedure_status in (1, 4, 5, 7)
),

amounts as (
    select * from patient_income
    union all
    select * from insurance_income
    union all
    select * from insurance_posted
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
