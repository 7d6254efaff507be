{{ config(tags=['financial']) }}

with links as (
    select
        links.*,
        plans.planned_treatment_option
    from {{ ref('stg_opendental__payplanlink') }} as links
    left join {{ ref('stg_opendental__payplan') }} as plans using (payment_plan_id)
),

rules as (
    select
        *,
        database_version >= 2402 as is_current
    from {{ ref('int_accounting_rules_resolved') }}
    where pay_plans_version in (2, 3)
),

-- Since 24.2 the procedure must be complete and its date counts. Before, treatment that a plan did not wait
-- for counted too, on the day the link was entered.
procedure_links as (
    select
        links.payment_plan_link_id,
        production.patient_id,
        production.provider_id,
        production.clinic_id,
        case when rules.is_current then production.procedure_date else cast(links.entered_at as date) end
            as entry_date,
        -coalesce(nullif(links.amount_override, 0), production.amount) as amount,
        production.procedure_id as linked_procedure_id,
        {{ ledger_date('production.procedure_date') }} as linked_date
    from links
    cross join rules
    inner join {{ ref('int_linked_production_valued') }} as production
        on links.linked_id = production.procedure_id
    where links.link_type = 2
        and (
            production.procedure_status = 2
            or (not rules.is_current and links.planned_treatment_option is distinct from 1)
        )
),

paid_adjustments as (
    select adjustment_id, sum(amount) as amount
    from {{ ref('stg_opendental__paysplit') }}
    where payment_plan_id is null
    group by adjustment_id
),

adjustment_links as (
    select
        links.payment_plan_link_id,
        adjustments.patient_id,
        adjustments.provider_id,
        adjustments.clinic_id,
        case when rules.is_current then adjustments.adjustment_date else cast(links.entered_at as date) end
            as entry_date,
        -coalesce(
            nullif(links.amount_override, 0), adjustments.amount - coalesce(paid_adjustments.amount, 0)
        ) as amount,
        cast(null as bigint) as linked_procedure_id,
        cast(null as date) as linked_date
    from links
    cross join rules
    inner join {{ ref('stg_opendental__adjustment') }} as adjustments
        on links.linked_id = adjustments.adjustment_id
    left join paid_adjustments using (adjustment_id)
    where links.link_type = 1
),

entries as (
    select * from procedure_links
    union all
    select * from adjustment_links
)

select
    'payment_plan_link' as entry_type,
    payment_plan_link_id as source_id,
    patient_id,
    provider_id,
    clinic_id,
    {{ ledger_date('entry_date') }} as entry_date,
    amount,
    linked_procedure_id,
    linked_date
from entries
where amount <> 0
