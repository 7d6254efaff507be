{{ config(tags=['financial', 'date_relative']) }}

with rules as (
    select * from {{ ref('int_accounting_rules_resolved') }}
),

-- Version 2 forgets closed plans.
plans as (
    select
        plans.payment_plan_id,
        plans.insurance_plan_id,
        rules.pay_plans_version = 2 and plans.is_closed as is_forgotten
    from {{ ref('stg_opendental__payplan') }} as plans
    cross join rules
),

patients as (
    select patient_id, guarantor_id as family_id from {{ ref('stg_opendental__patient') }}
),

hidden_types as (
    select definition_id
    from {{ ref('stg_opendental__definition') }}
    where category = 29
        and coalesce(item_value, '') <> ''
),

charged as (
    select patients.family_id, charges.principal + charges.interest as amount
    from {{ ref('stg_opendental__payplancharge') }} as charges
    cross join rules
    inner join plans using (payment_plan_id)
    inner join patients on charges.guarantor_id = patients.patient_id
    where charges.charge_type = 0
        and plans.insurance_plan_id is null
        and not plans.is_forgotten
        and {{ ledger_date('charges.charge_date') }} <= {{ as_of_date() }} + rules.bill_in_advance_days
),

-- Future payments and payments on plans that insurance pays count as well.
paid as (
    select patients.family_id, -splits.amount as amount
    from {{ ref('stg_opendental__paysplit') }} as splits
    left join plans using (payment_plan_id)
    inner join patients on splits.patient_id = patients.patient_id
    left join hidden_types on splits.unearned_type_id = hidden_types.definition_id
    where splits.payment_plan_id is not null
        and not coalesce(plans.is_forgotten, false)
        and hidden_types.definition_id is null
),

amounts as (
    select * from charged
    union all
    select * from paid
)

select family_id, sum(amount) as payment_plan_due
from amounts
where family_id is not null
group by family_id
