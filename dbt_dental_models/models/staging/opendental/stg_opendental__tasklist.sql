{{ config(tags=['scheduling']) }}

select
    cast("TaskListNum" as bigint) as task_list_id,
    "Descript" as task_list_name,
    {{ foreign_key('"Parent"') }} as parent_task_list_id,
    cast("TaskListStatus" as integer) as task_list_status,
    task_list_status.label as task_list_status_label,
    {{ clinic_timestamp('"DateTimeEntry"') }} as entered_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'tasklist') }}
{{ labels('tasklist', task_list_status='"TaskListStatus"') }}
