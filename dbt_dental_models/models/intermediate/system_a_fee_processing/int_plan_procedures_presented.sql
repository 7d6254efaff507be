{{ config(tags=['clinical', 'date_relative']) }}

-- A saved plan keeps a copy of each procedure as it was shown; shown again, the first time counts.
with plans as (
    select treatment_plan_id, planned_date as presented_date, presenter_id
    from {{ ref('stg_opendental__treatplan') }}
    where treatment_plan_status = 0
),

first_copies as (
    select distinct on (copies.procedure_id)
        copies.procedure_id,
        copies.fee,
        plans.treatment_plan_id,
        plans.presented_date,
        plans.presenter_id
    from {{ ref('stg_opendental__proctp') }} as copies
    inner join plans using (treatment_plan_id)
    where copies.procedure_id is not null
    order by copies.procedure_id, plans.presented_date, plans.treatment_plan_id, copies.planned_procedure_id
),

procedures as (
    select procedure_id, completed_date, scheduled_date, clinic_id from {{ ref('int_treatment_accepted') }}
)

select
    first_copies.procedure_id,
    first_copies.treatment_plan_id,
    first_copies.presented_date,
    coalesce(first_copies.presenter_id, 0) as presenter_id,
    coalesce(procedures.clinic_id, 0) as clinic_id,
    first_copies.fee,
    coalesce(
        procedures.completed_date <= first_copies.presented_date + {{ var('acceptance_days', 90) }}, false
    ) as is_completed,
    procedures.completed_date is null
    and coalesce(
        procedures.scheduled_date <= first_copies.presented_date + {{ var('acceptance_days', 90) }}, false
    ) as is_scheduled
from first_copies
left join procedures using (procedure_id)
where first_copies.presented_date <= {{ as_of_date() }}
