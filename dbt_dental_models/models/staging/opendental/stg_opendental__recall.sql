{{ config(tags=['scheduling']) }}

select
    cast("RecallNum" as bigint) as recall_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"RecallTypeNum"') }} as recall_type_id,
    {{ clinic_date('"DateDue"') }} as due_date,
    {{ clinic_date('"DateDueCalc"') }} as calculated_due_date,
    {{ clinic_date('"DatePrevious"') }} as previous_date,
    {{ clinic_date('"DateScheduled"') }} as scheduled_date,
    {{ packed_interval('"RecallInterval"') }} as recall_interval,
    {{ foreign_key('"RecallStatus"') }} as recall_status_id,
    cast("Priority" as integer) as priority,
    priority.label as priority_label,
    {{ flag('"IsDisabled"') }} as is_disabled,
    {{ money('"DisableUntilBalance"') }} as disabled_until_balance,
    {{ clinic_date('"DisableUntilDate"') }} as disabled_until_date,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'recall') }}
{{ labels('recall', priority='"Priority"') }}
