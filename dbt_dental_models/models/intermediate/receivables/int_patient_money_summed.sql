{{ config(materialized='table', tags=['financial'], post_hook="analyze {{ this }}") }}

-- Lifetime and first year of every patient, by the same measures as the daily mart.
with rules as (
    select write_off_basis from {{ ref('int_accounting_rules_resolved') }}
),

first_visits as (
    select patient_id, first_visit_date from {{ ref('int_first_visits_found') }}
),

amounts as (
    select
        production.patient_id,
        production.activity_date,
        case production.measure
            when 'capitation' then 'production'
            when 'production' then 'production'
            when 'adjustment' then 'adjustment'
            else 'write_off'
        end as measure,
        case when production.measure = 'capitation' or production.measure like 'write\_off%' then -1 else 1 end
        * production.amount as amount
    from {{ ref('int_production_classified') }} as production
    cross join rules
    where production.measure in ('production', 'capitation', 'adjustment')
        or production.measure = case rules.write_off_basis
            when 0 then 'write_off_by_payment'
            when 1 then 'write_off_by_procedure'
            else 'write_off_by_claim'
        end
    union all
    select patient_id, activity_date, 'collections', amount
    from {{ ref('int_income_classified') }}
    where measure in ('patient_income', 'insurance_income')
)

select
    amounts.patient_id,
    coalesce(sum(amount) filter (where measure = 'production'), 0) as gross_production,
    coalesce(sum(amount) filter (where measure in ('production', 'adjustment', 'write_off')), 0) as net_production,
    coalesce(sum(amount) filter (where measure = 'collections'), 0) as collections,
    {% for days in [90, 365] -%}
    coalesce(sum(amount) filter (
        where measure in ('production', 'adjustment', 'write_off')
            and amounts.activity_date <= first_visits.first_visit_date + {{ days }}
    ), 0) as net_production_{{ days }}_days{{ ',' if not loop.last }}
    {% endfor %}
from amounts
left join first_visits using (patient_id)
where amounts.patient_id is not null
group by amounts.patient_id
