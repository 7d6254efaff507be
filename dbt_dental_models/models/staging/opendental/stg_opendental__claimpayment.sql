{{ config(tags=['financial']) }}

select
    cast("ClaimPaymentNum" as bigint) as claim_payment_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"PayType"') }} as payment_type_id,
    {{ clinic_date('"CheckDate"') }} as check_date,
    {{ money('"CheckAmt"') }} as amount,
    {{ clinic_date('"DateIssued"') }} as issued_date,
    {{ flag('"IsPartial"') }} as is_partial,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'claimpayment') }}
