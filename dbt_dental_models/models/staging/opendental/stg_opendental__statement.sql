{{ config(tags=['collections']) }}

select
    cast("StatementNum" as bigint) as statement_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ clinic_date('"DateSent"') }} as sent_date,
    {{ clinic_date('"DateRangeFrom"') }} as from_date,
    {{ clinic_date('"DateRangeTo"') }} as to_date,
    cast("Mode_" as integer) as statement_mode,
    statement_mode.label as statement_mode_label,
    lower("StatementType") as statement_type,
    {{ flag('"IsSent"') }} as is_sent,
    {{ flag('"IsReceipt"') }} as is_receipt,
    {{ flag('"IsInvoice"') }} as is_invoice,
    {{ flag('"SinglePatient"') }} as is_single_patient,
    {{ flag('"IsBalValid"') }} as is_balance_valid,
    {{ money('"BalTotal"') }} as balance,
    {{ money('"InsEst"') }} as insurance_estimate,
    cast("SmsSendStatus" as integer) as text_message_status,
    text_message_status.label as text_message_status_label,
    {{ foreign_key('"DocNum"') }} as document_id,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'statement') }}
{{ labels('statement', statement_mode='"Mode_"', text_message_status='"SmsSendStatus"') }}
