{{ config(tags=['financial']) }}

select
    cast("ClaimSnapshotNum" as bigint) as claim_snapshot_id,
    {{ foreign_key('"ProcNum"') }} as procedure_id,
    {{ foreign_key('"ClaimProcNum"') }} as claim_procedure_id,
    {{ money_or_null('"Writeoff"') }} as write_off,
    {{ money_or_null('"InsPayEst"') }} as insurance_estimate,
    {{ money('"Fee"') }} as fee,
    {{ clinic_timestamp('"DateTEntry"') }} as entered_at,
    lower("ClaimType") as claim_type,
    cast("SnapshotTrigger" as integer) as snapshot_trigger,
    snapshot_trigger.label as snapshot_trigger_label,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'claimsnapshot') }}
{{ labels('claimsnapshot', snapshot_trigger='"SnapshotTrigger"') }}
