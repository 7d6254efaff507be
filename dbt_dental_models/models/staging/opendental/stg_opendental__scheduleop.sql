{{ config(tags=['scheduling']) }}

select
    cast("ScheduleOpNum" as bigint) as schedule_operatory_id,
    {{ foreign_key('"ScheduleNum"') }} as schedule_id,
    {{ foreign_key('"OperatoryNum"') }} as operatory_id,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'scheduleop') }}
