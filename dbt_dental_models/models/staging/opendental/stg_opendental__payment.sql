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
    {{ foreign_key('"DepositNum"') }} as deposit_id,
    cast("PaymentSource" as integer) as payment_source,
    payment_source.label as payment_source_label,
    cast("ProcessStatus" as integer) as process_status,
    process_status.label as process_status_label,
    {{ flag('"IsSplit"') }} as is_split,
    {{ foreign_key('"SecUserNumEntry"') }} as entered_by_user_id,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'payment') }}
{{ labels('payment', payment_source='"PaymentSource"', process_status='"ProcessStatus"') }}
