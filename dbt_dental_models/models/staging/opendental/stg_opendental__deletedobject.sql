{{ config(tags=['quality']) }}

select
    cast("DeletedObjectNum" as bigint) as deleted_object_id,
    {{ foreign_key('"ObjectNum"') }} as object_id,
    cast("ObjectType" as integer) as object_type,
    "DateTStamp" as deleted_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'deletedobject') }}
