{{ config(tags=['clinical', 'date_relative']) }}

with appointments as (
    select * from {{ ref('stg_opendental__appointment') }}
    where appointment_status = 1
),

-- DateTP stays when the procedure is completed, so that a cohort keeps its members.
procedures as (
    select * from {{ ref('stg_opendental__procedurelog') }}
    where procedure_status in (1, 2, 8)
        and planned_date is not null
        and planned_date <= {{ as_of_date() }}
),

-- Cleanings and check-ups are planned months ahead; nobody weighs whether to accept them.
recall_codes as (
    select distinct trim(listed.code) as procedure_code
    from {{ ref('stg_opendental__recalltype') }} as types
    cross join lateral regexp_split_to_table(types.procedure_codes, ',') as listed (code)
),

codes as (
    select codes.procedure_code_id, recall_codes.procedure_code is not null as is_recall_work
    from {{ ref('stg_opendental__procedurecode') }} as codes
    left join recall_codes using (procedure_code)
),

presented as (
    select
        procedures.procedure_id,
        procedures.patient_id,
        coalesce(procedures.provider_id, 0) as provider_id,
        coalesce(procedures.clinic_id, 0) as clinic_id,
        procedures.planned_date as presented_date,
        coalesce(codes.is_recall_work, false) as is_recall_work,
        procedures.unit_fee * (procedures.unit_quantity + procedures.base_units) as fee,
        case when procedures.procedure_status = 2 then procedures.procedure_date end as completed_date,
        -- The day on which the visit was booked; programs that do not keep it leave the day of the visit.
        cast(coalesce(appointments.entered_at, appointments.appointment_at) as date) as scheduled_date
    from procedures
    left join appointments using (appointment_id)
    left join codes using (procedure_code_id)
)

select
    *,
    -- Found and done in one visit: nobody was asked to come back.
    coalesce(completed_date = presented_date, false) as is_same_day,
    coalesce(completed_date <= presented_date + {{ var('acceptance_days', 90) }}, false) as is_completed,
    coalesce(scheduled_date <= presented_date + {{ var('acceptance_days', 90) }}, false)
    and completed_date is null as is_scheduled,
    presented_date + {{ var('acceptance_days', 90) }} <= {{ as_of_date() }} as is_settled
from presented
