{{ config(tags=['clinical', 'date_relative']) }}

-- Who was seen in a year up to a month's end, and of those, who was seen again in the year after it.
with visits as (
    select distinct patient_id, procedure_date
    from {{ ref('int_procedures_completed') }}
    where not is_broken_appointment
        and patient_id is not null
        and procedure_date <= {{ as_of_date() }}
        and procedure_date > date '0001-01-01'
),

patients as (
    select patient_id, coalesce(clinic_id, 0) as clinic_id from {{ ref('stg_opendental__patient') }}
),

month_ends as (
    select cast(months.month_start + interval '1 month' - interval '1 day' as date) as period_end
    from (select min(procedure_date) as first_date from visits) as range
    cross join lateral generate_series(
        date_trunc('month', range.first_date), date_trunc('month', {{ as_of_date() }}), interval '1 month'
    ) as months (month_start)
    where months.month_start + interval '1 month' <= {{ as_of_date() }} + interval '1 day'
),

seen as (
    select
        month_ends.period_end,
        patients.clinic_id,
        visits.patient_id,
        max(visits.procedure_date) > month_ends.period_end as is_retained
    from month_ends
    inner join visits
        on visits.procedure_date > month_ends.period_end - interval '1 year'
        and visits.procedure_date <= month_ends.period_end + interval '1 year'
    inner join patients using (patient_id)
    group by month_ends.period_end, patients.clinic_id, visits.patient_id
    having min(visits.procedure_date) <= month_ends.period_end
)

select
    period_end,
    clinic_id,
    period_end + interval '1 year' <= {{ as_of_date() }} as is_settled,
    count(*) as patients_seen,
    count(*) filter (where is_retained) as patients_retained,
    {{ ratio('count(*) filter (where is_retained)', 'count(*)') }} as retention_rate
from seen
group by period_end, clinic_id
