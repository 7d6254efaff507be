{{ config(tags=['scheduling', 'critical', 'date_relative', 'system_c']) }}

select
    {{ as_of_date() }} as as_of_date,
    recall_id,
    patient_id,
    family_id,
    provider_id,
    clinic_id,
    recall_type_id,
    recall_type_name,
    is_special_type,
    previous_date,
    due_date,
    scheduled_date,
    next_appointment_date,
    is_hidden,
    is_scheduled,
    is_due,
    is_overdue,
    case when is_overdue then {{ as_of_date() }} - due_date end as overdue_days,
    case when is_overdue then {{ age_bucket(as_of_date() ~ ' - due_date') }} end as overdue_bucket
from {{ ref('int_recalls_due') }}
where is_shown
