{{ config(tags=['financial']) }}

with splits as (
    select * from {{ ref('stg_opendental__paysplit') }}
),

-- Prepayments of these types are hidden from the account until they are used.
hidden_types as (
    select definition_id
    from {{ ref('stg_opendental__definition') }}
    where category = 29
        and coalesce(item_value, '') <> ''
),

rules as (
    select pay_plans_version from {{ ref('int_accounting_rules_resolved') }}
)

select
    'payment' as entry_type,
    splits.payment_split_id as source_id,
    splits.patient_id,
    splits.provider_id,
    splits.clinic_id,
    {{ ledger_date('splits.payment_date') }} as entry_date,
    -splits.amount as amount
from splits
cross join rules
left join hidden_types on splits.unearned_type_id = hidden_types.definition_id
where splits.amount <> 0
    and hidden_types.definition_id is null
    -- Versions 1 and 3 keep payments on plans out of the account.
    and (rules.pay_plans_version in (2, 4) or splits.payment_plan_id is null)
