{{ config(tags=['financial']) }}

select
    cast("PayNum" as bigint) as payment_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"PayType"') }} as payment_type_id,
    {{ clinic_date('"PayDate"') }} as payment_date,
    {{ money('"PayAmt"') }} as amount,
    {{ clinic_date('"DateEntry"') }} as entered_date,
    {{ money('"MerchantFee"') }} as merchant_fee,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'payment') }}
