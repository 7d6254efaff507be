{{ config(tags=['financial']) }}

select
    cast("ClaimPaymentNum" as bigint) as claim_payment_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"PayType"') }} as payment_type_id,
    {{ clinic_date('"CheckDate"') }} as check_date,
    {{ money('"CheckAmt"') }} as amount,
    {{ clinic_date('"DateIssued"') }} as issued_date,
    {{ flag('"IsPartial"') }} as is_partial,
    "CarrierName" as carrier_name,
    {{ foreign_key('"DepositNum"') }} as deposit_id,
    {{ foreign_key('"PayGroup"') }} as payment_group_id,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'claimpayment') }}
