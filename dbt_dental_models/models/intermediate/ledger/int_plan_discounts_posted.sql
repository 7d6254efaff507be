{{ config(tags=['financial']) }}

-- Versions 23.2 to 24.1 only: planned treatment that a dynamic plan treats as complete carries its discounts.
select
    'payment_plan_discount' as entry_type,
    links.payment_plan_link_id as source_id,
    plans.patient_id,
    procedures.provider_id,
    procedures.clinic_id,
    {{ ledger_date('procedures.procedure_date') }} as entry_date,
    procedures.discount + procedures.discount_plan_amount as amount,
    procedures.procedure_id as linked_procedure_id,
    {{ ledger_date('procedures.procedure_date') }} as linked_date
from {{ ref('stg_opendental__payplanlink') }} as links
inner join {{ ref('stg_opendental__payplan') }} as plans using (payment_plan_id)
inner join {{ ref('stg_opendental__procedurelog') }} as procedures on links.linked_id = procedures.procedure_id
inner join {{ ref('int_accounting_rules_resolved') }} as rules
    on rules.pay_plans_version in (2, 3)
    and rules.database_version between 2302 and 2401
where links.link_type = 2
    and plans.is_dynamic
    and plans.planned_treatment_option = 2
    and procedures.procedure_status = 1
    and procedures.discount + procedures.discount_plan_amount <> 0
