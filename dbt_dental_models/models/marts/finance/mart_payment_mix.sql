{{ config(tags=['financial']) }}

with totals as (
    select
        activity_date,
        clinic_id,
        payer,
        payment_type_id,
        payment_type,
        count(*) as payments,
        count(*) filter (where amount < 0) as refunds,
        round(sum(amount), 2) as amount,
        round(coalesce(sum(amount) filter (where amount < 0), 0), 2) as refunded,
        round(sum(merchant_fee), 2) as merchant_fee
    from {{ ref('int_payments_by_type') }}
    group by activity_date, clinic_id, payer, payment_type_id, payment_type
)

select
    activity_date,
    clinic_id,
    payer,
    payment_type_id,
    payment_type,
    payments,
    refunds,
    {{ cents('amount') }} as amount,
    {{ cents('refunded') }} as refunded_amount,
    {{ cents('merchant_fee') }} as merchant_fee,
    {{ cents('amount - merchant_fee') }} as amount_after_fee
from totals
