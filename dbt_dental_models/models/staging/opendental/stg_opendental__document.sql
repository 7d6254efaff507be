{{ config(tags=['communications']) }}

select
    cast("DocNum" as bigint) as document_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"DocCategory"') }} as document_category_id,
    {{ clinic_timestamp('"DateCreated"') }} as created_at,
    cast("ImgType" as integer) as image_type,
    image_type.label as image_type_label,
    cast("ImageCaptureType" as integer) as capture_type,
    capture_type.label as capture_type_label,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"UserNum"') }} as user_id,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'document') }}
{{ labels('document', image_type='"ImgType"', capture_type='"ImageCaptureType"') }}
