{{ config(tags=['scheduling']) }}

select
    cast("TaskNum" as bigint) as task_id,
    {{ foreign_key('"TaskListNum"') }} as task_list_id,
    cast("TaskStatus" as integer) as task_status,
    task_status.label as task_status_label,
    cast("ObjectType" as integer) as object_type,
    object_type.label as object_type_label,
    {{ foreign_key('"KeyNum"') }} as object_id,
    {{ foreign_key('"UserNum"') }} as user_id,
    {{ foreign_key('"PriorityDefNum"') }} as priority_id,
    {{ clinic_date('"DateTask"') }} as task_date,
    {{ clinic_timestamp('"DateTimeEntry"') }} as entered_at,
    {{ clinic_timestamp('"DateTimeFinished"') }} as finished_at,
    {{ flag('"IsRepeating"') }} as is_repeating,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'task') }}
{{ labels('task', task_status='"TaskStatus"', object_type='"ObjectType"') }}
