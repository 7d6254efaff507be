{{ config(tags=['financial', 'date_relative']) }}

-- What patients paid: the report leaves out prepayments and discounts, the ledger leaves out payments on
-- plans where plans do not age; and plans move money on accounts that no report calls production.
with rules as (
    select pay_plans_version from {{ ref('int_accounting_rules_resolved') }}
),

hidden_types as (
    select definition_id
    from {{ ref('stg_opendental__definition') }}
    where category = 29
        and coalesce(item_value, '') <> ''
),

splits as (
    select splits.*
    from {{ ref('stg_opendental__paysplit') }} as splits
    left join hidden_types on splits.unearned_type_id = hidden_types.definition_id
    where hidden_types.definition_id is null
),

entries as (
    select * from {{ ref('int_ledger_entries') }}
),

differences as (
    select payment_date as activity_date, provider_id, clinic_id, 'unearned_income' as reason, -amount as amount
    from splits
    where unearned_type_id is not null and not is_discount
    union all
    select payment_date, provider_id, clinic_id, 'discount_splits', -amount
    from splits
    where is_discount
    union all
    select splits.payment_date, splits.provider_id, splits.clinic_id, 'payments_on_plans', splits.amount
    from splits
    inner join rules on rules.pay_plans_version in (1, 3)
    where splits.payment_plan_id is not null
    union all
    select entry_date, provider_id, clinic_id, 'payment_plans', amount
    from entries
    where entry_type like 'payment\_plan%'
    union all
    select entry_date, provider_id, clinic_id, 'without_family', -amount
    from entries
    where family_id is null
)

select * from differences
where amount <> 0
