{{ config(tags=['scheduling']) }}

-- Four ways to see that a patient did not come; practices use one or another, so all are kept.
with rules as (
    select broken_adjustment_type_id from {{ ref('int_scheduling_rules_resolved') }}
),

by_status as (
    select appointment_date as activity_date, provider_id, clinic_id, outcome as measure, 0 as amount
    from {{ ref('int_appointments_classified') }}
    where appointment_date is not null
        and outcome <> 'unscheduled'
),

by_procedure as (
    select
        procedure_date,
        provider_id,
        clinic_id,
        case upper(procedure_code) when 'D9986' then 'missed_by_procedure' else 'cancelled_by_procedure' end,
        fee
    from {{ ref('int_procedures_completed') }}
    where is_broken_appointment
),

-- Counts an appointment as often as it was missed or cancelled, on the day for which it then stood.
by_history as (
    select
        cast(appointment_at as date),
        provider_id,
        clinic_id,
        case change_action when 2 then 'missed_by_history' else 'cancelled_by_history' end,
        0
    from {{ ref('stg_opendental__histappointment') }}
    where change_action in (2, 3)
),

deleted as (
    select cast(appointment_at as date), provider_id, clinic_id, 'deleted', 0
    from {{ ref('stg_opendental__histappointment') }}
    where change_action = 4
),

by_fee as (
    select adjustments.adjustment_date, adjustments.provider_id, adjustments.clinic_id, 'fee_charged', adjustments.amount
    from {{ ref('stg_opendental__adjustment') }} as adjustments
    inner join rules on adjustments.adjustment_type_id = rules.broken_adjustment_type_id
),

measures as (
    select * from by_status
    union all
    select * from by_procedure
    union all
    select * from by_history
    union all
    select * from deleted
    union all
    select * from by_fee
)

select
    {{ ledger_date('activity_date') }} as activity_date,
    coalesce(provider_id, 0) as provider_id,
    coalesce(clinic_id, 0) as clinic_id,
    measure,
    amount
from measures
