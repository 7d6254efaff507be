{{ config(tags=['financial']) }}

with payment_types as (
    select definition_id, item_name from {{ ref('stg_opendental__definition') }}
    where category in (10, 32)
),

-- Type 0 moves income between providers; nobody paid anything.
patient_payments as (
    select
        payment_date as activity_date,
        clinic_id,
        'patient' as payer,
        payment_type_id,
        amount,
        merchant_fee
    from {{ ref('stg_opendental__payment') }}
    where payment_type_id is not null
),

insurance_payments as (
    select
        check_date as activity_date,
        clinic_id,
        'insurance' as payer,
        payment_type_id,
        amount,
        0 as merchant_fee
    from {{ ref('stg_opendental__claimpayment') }}
),

payments as (
    select * from patient_payments
    union all
    select * from insurance_payments
)

select
    {{ ledger_date('payments.activity_date') }} as activity_date,
    coalesce(payments.clinic_id, 0) as clinic_id,
    payments.payer,
    coalesce(payments.payment_type_id, 0) as payment_type_id,
    coalesce(payment_types.item_name, 'unknown') as payment_type,
    payments.amount,
    payments.merchant_fee
from payments
left join payment_types on payments.payment_type_id = payment_types.definition_id
