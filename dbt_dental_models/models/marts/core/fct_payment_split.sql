{{ config(tags=['financial']) }}

with splits as (
    select * from {{ ref('stg_opendental__paysplit') }}
),

payments as (
    select payment_id, payment_type_id, payment_date from {{ ref('stg_opendental__payment') }}
),

definitions as (
    select definition_id, item_name, item_value from {{ ref('stg_opendental__definition') }}
)

select
    splits.payment_split_id,
    splits.payment_id,
    splits.payment_date,
    payments.payment_date as received_date,
    coalesce(splits.patient_id, 0) as patient_id,
    coalesce(splits.provider_id, 0) as provider_id,
    coalesce(splits.clinic_id, 0) as clinic_id,
    splits.procedure_id,
    splits.adjustment_id,
    splits.payment_plan_id,
    {{ cents('splits.amount') }} as amount,
    coalesce(payment_types.item_name, 'none') as payment_type,
    coalesce(unearned_types.item_name, 'earned') as unearned_type,
    payments.payment_id is not null and payments.payment_type_id is null as is_income_transfer,
    splits.unearned_type_id is not null as is_unearned,
    -- A type with a value is kept off the account until it is used.
    coalesce(unearned_types.item_value, '') <> '' as is_hidden_prepayment,
    splits.is_discount,
    splits.unearned_type_id is null and not splits.is_discount as is_income,
    splits.procedure_id is null and splits.adjustment_id is null and splits.payment_plan_id is null
    and splits.unearned_type_id is null as is_unallocated
from splits
left join payments using (payment_id)
left join definitions as payment_types on payments.payment_type_id = payment_types.definition_id
left join definitions as unearned_types on splits.unearned_type_id = unearned_types.definition_id
