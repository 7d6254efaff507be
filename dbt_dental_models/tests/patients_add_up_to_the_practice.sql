-- What patients are worth together is what the practice produced and collected, but for rows of no patient.
with patients as (
    select
        coalesce(sum(net_production), 0) as net_production,
        coalesce(sum(collections), 0) as collections,
        count(*) as row_count
    from {{ ref('mart_patient_value') }}
),

without_patient as (
    select count(*) as row_count
    from (
        select patient_id from {{ ref('int_production_classified') }} where patient_id is null
        union all
        select patient_id from {{ ref('int_income_classified') }} where patient_id is null
    ) as amounts
),

daily as (
    select
        coalesce(sum(net_production), 0) as net_production,
        coalesce(sum(collections), 0) as collections,
        count(*) as row_count
    from {{ ref('mart_daily_production_collections') }}
)

select *
from patients
cross join daily
cross join without_patient
where without_patient.row_count = 0
    and (
        abs(patients.net_production - daily.net_production) > 0.02 * (patients.row_count + daily.row_count)
        or abs(patients.collections - daily.collections) > 0.02 * (patients.row_count + daily.row_count)
    )
