{{ config(tags=['scheduling', 'date_relative']) }}

-- The last day on which a clinic worked, up to as_of_date: Monday's huddle looks back on Friday.
with last_days as (
    select clinic_id, max(procedure_date) as last_worked_date
    from {{ ref('int_procedures_completed') }}
    where procedure_date <= {{ as_of_date() }}
        and not is_broken_appointment
    group by clinic_id
),

amounts as (
    select activity_date, provider_id, clinic_id, 'production' as measure, amount
    from {{ ref('int_production_classified') }}
    where measure = 'production'
    union all
    select activity_date, provider_id, clinic_id, 'production', -amount
    from {{ ref('int_production_classified') }}
    where measure = 'capitation'
    union all
    select activity_date, provider_id, clinic_id, 'collections', amount
    from {{ ref('int_income_classified') }}
    where measure in ('patient_income', 'insurance_income')
    union all
    select activity_date, provider_id, clinic_id, 'broken', 1
    from {{ ref('int_appointments_broken') }}
    where measure = 'broken'
    union all
    select first_visit_date, provider_id, clinic_id, 'new_patients', 1
    from {{ ref('int_first_visits_found') }}
)

select
    amounts.clinic_id,
    amounts.provider_id,
    last_days.last_worked_date,
    coalesce(sum(amount) filter (where measure = 'production'), 0) as production,
    coalesce(sum(amount) filter (where measure = 'collections'), 0) as collections,
    coalesce(sum(amount) filter (where measure = 'broken'), 0) as broken_appointments,
    coalesce(sum(amount) filter (where measure = 'new_patients'), 0) as new_patients
from amounts
inner join last_days
    on amounts.clinic_id = last_days.clinic_id
    and amounts.activity_date = last_days.last_worked_date
group by amounts.clinic_id, amounts.provider_id, last_days.last_worked_date
