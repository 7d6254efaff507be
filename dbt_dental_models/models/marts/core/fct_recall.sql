{{ config(tags=['clinical', 'date_relative']) }}

with recalls as (
    select
        *,
        not is_disabled and coalesce(disabled_until_date <= {{ as_of_date() }}, true) as is_enabled
    from {{ ref('stg_opendental__recall') }}
),

recall_types as (
    select recall_type_id, recall_type_name from {{ ref('stg_opendental__recalltype') }}
),

statuses as (
    select definition_id, item_name from {{ ref('stg_opendental__definition') }}
),

patients as (
    select patient_id, patient_status, clinic_id from {{ ref('stg_opendental__patient') }}
),

joined as (
    select
        recalls.*,
        coalesce(recall_types.recall_type_name, 'none') as recall_type,
        coalesce(statuses.item_name, 'none') as recall_status,
        coalesce(patients.clinic_id, 0) as clinic_id,
        coalesce(recalls.is_enabled and patients.patient_status = 0, false) as is_wanted
    from recalls
    left join recall_types using (recall_type_id)
    left join statuses on recalls.recall_status_id = statuses.definition_id
    left join patients using (patient_id)
)

select
    recall_id,
    coalesce(patient_id, 0) as patient_id,
    clinic_id,
    coalesce(recall_type_id, 0) as recall_type_id,
    recall_type,
    recall_status,
    due_date,
    previous_date,
    scheduled_date,
    -- A month counts as 30 days, a year as 365 and a quarter.
    cast(extract(epoch from recall_interval) / 86400 as integer) as interval_days,
    is_enabled,
    coalesce(is_wanted and due_date <= {{ as_of_date() }}, false) as is_due,
    coalesce(is_wanted and due_date < {{ as_of_date() }} and scheduled_date is null, false) as is_overdue_unscheduled,
    case when is_wanted and due_date < {{ as_of_date() }} then {{ as_of_date() }} - due_date end as overdue_days
from joined
