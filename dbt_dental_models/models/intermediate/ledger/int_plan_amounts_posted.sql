{{ config(tags=['financial']) }}

with plans as (
    select * from {{ ref('stg_opendental__payplan') }}
),

rules as (
    select * from {{ ref('int_accounting_rules_resolved') }}
)

-- Version 1 relieves the account by the whole plan; version 4 only by plans that insurance pays (22.2 and later).
select
    'payment_plan' as entry_type,
    plans.payment_plan_id as source_id,
    plans.patient_id,
    cast(null as bigint) as provider_id,
    cast(null as bigint) as clinic_id,
    {{ ledger_date('plans.plan_date') }} as entry_date,
    -plans.completed_amount as amount
from plans
cross join rules
where plans.completed_amount <> 0
    and (
        rules.pay_plans_version = 1
        or (
            rules.pay_plans_version = 4
            and rules.database_version >= 2202
            and plans.insurance_plan_id is not null
        )
    )
