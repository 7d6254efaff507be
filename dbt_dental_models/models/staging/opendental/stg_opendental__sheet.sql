{{ config(tags=['communications']) }}

select
    cast("SheetNum" as bigint) as sheet_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    cast("SheetType" as integer) as sheet_type,
    sheet_type.label as sheet_type_label,
    {{ clinic_timestamp('"DateTimeSheet"') }} as sheet_at,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ flag('"IsWebForm"') }} as is_web_form,
    {{ flag('"IsDeleted"') }} as is_deleted,
    {{ clinic_timestamp('"DateTSheetEdited"') }} as edited_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'sheet') }}
{{ labels('sheet', sheet_type='"SheetType"') }}
