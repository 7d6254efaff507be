{{ config(tags=['financial', 'date_relative']) }}

with charges as (
    select *
    from {{ ref('stg_opendental__payplancharge') }}
    -- Charges after the day are not even in the total balance.
    where {{ ledger_date('charge_date') }} <= {{ as_of_date() }}
),

plans as (
    select * from {{ ref('stg_opendental__payplan') }}
),

procedures as (
    select procedure_id, procedure_date from {{ ref('stg_opendental__procedurelog') }}
),

rules as (
    select pay_plans_version from {{ ref('int_accounting_rules_resolved') }}
),

-- Credits move production into the plan.
credits as (
    select
        charges.payment_plan_charge_id,
        -- Version 2 relieves the plan's patient, version 3 the charge's.
        case rules.pay_plans_version when 2 then plans.patient_id else charges.patient_id end as patient_id,
        charges.provider_id,
        charges.clinic_id,
        charges.charge_date,
        -charges.principal as amount,
        case when charges.charge_type = 1 then charges.procedure_id end as linked_procedure_id,
        -- A credit whose procedure is gone has no date to age by; one whose procedure has none is as old as can be.
        case when procedures.procedure_id is not null then {{ ledger_date('procedures.procedure_date') }} end
            as linked_date
    from charges
    cross join rules
    left join plans using (payment_plan_id)
    left join procedures on charges.procedure_id = procedures.procedure_id
    where charges.charge_type <> 0
        and (rules.pay_plans_version = 2 or (rules.pay_plans_version = 3 and charges.charge_type = 1))
),

-- Debits are what the plan's payer owes; plans that insurance pays owe nothing here.
debits as (
    select
        charges.payment_plan_charge_id,
        charges.guarantor_id as patient_id,
        charges.provider_id,
        charges.clinic_id,
        charges.charge_date,
        charges.principal + charges.interest as amount,
        cast(null as bigint) as linked_procedure_id,
        cast(null as date) as linked_date
    from charges
    cross join rules
    inner join plans using (payment_plan_id)
    where charges.charge_type = 0
        and rules.pay_plans_version = 2
        and plans.insurance_plan_id is null
),

entries as (
    select * from credits
    union all
    select * from debits
)

select
    'payment_plan_charge' as entry_type,
    payment_plan_charge_id as source_id,
    patient_id,
    provider_id,
    clinic_id,
    {{ ledger_date('charge_date') }} as entry_date,
    amount,
    linked_procedure_id,
    linked_date
from entries
where amount <> 0
