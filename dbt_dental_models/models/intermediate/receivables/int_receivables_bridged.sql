{{ config(tags=['financial', 'date_relative']) }}

-- Every amount by which production less income, as reported, and receivables, as kept, come apart.
with rules as (
    select write_off_basis from {{ ref('int_accounting_rules_resolved') }}
),

production as (
    select * from {{ ref('int_production_classified') }}
),

income as (
    select * from {{ ref('int_income_classified') }}
),

write_offs as (
    select
        production.*,
        case rules.write_off_basis
            when 0 then 'write_off_by_payment'
            when 1 then 'write_off_by_procedure'
            else 'write_off_by_claim'
        end as chosen
    from production
    cross join rules
    where production.measure like 'write\_off%'
),

reported as (
    select activity_date, provider_id, clinic_id, measure as item, amount
    from production
    where measure in ('production', 'adjustment')
    union all
    select activity_date, provider_id, clinic_id, measure, -amount
    from production
    where measure = 'capitation'
    union all
    select activity_date, provider_id, clinic_id, 'write_off', -amount
    from write_offs
    where measure = chosen
    union all
    select activity_date, provider_id, clinic_id, measure, -amount
    from income
    where measure in ('patient_income', 'insurance_income')
),

-- The ledger dates a write-off when it is posted, whatever basis the reports were given.
basis_differences as (
    select activity_date, provider_id, clinic_id, 'write_off_basis', amount
    from write_offs
    where measure = chosen
    union all
    select activity_date, provider_id, clinic_id, 'write_off_basis', -amount
    from write_offs
    where measure = 'write_off_by_payment'
),

-- Production was lowered on the procedure's day; the ledger waits for the posting.
capitation_differences as (
    select activity_date, provider_id, clinic_id, 'capitation_dates', amount
    from production
    where measure = 'capitation'
),

explained as (
    select * from {{ ref('int_insurance_differences_explained') }}
    union all
    select * from {{ ref('int_payment_differences_explained') }}
),

receivables as (
    select entry_date, provider_id, clinic_id, 'receivables', amount
    from {{ ref('int_ledger_entries') }}
    where family_id is not null
        and entry_type <> 'insurance_estimate'
),

amounts as (
    select * from reported
    union all
    select * from basis_differences
    union all
    select * from capitation_differences
    union all
    select * from explained
    union all
    select * from receivables
)

select
    {{ ledger_date('activity_date') }} as activity_date,
    coalesce(provider_id, 0) as provider_id,
    coalesce(clinic_id, 0) as clinic_id,
    item,
    amount
from amounts
