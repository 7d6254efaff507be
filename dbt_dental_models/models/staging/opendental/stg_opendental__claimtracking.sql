{{ config(tags=['insurance']) }}

select
    cast("ClaimTrackingNum" as bigint) as claim_tracking_id,
    {{ foreign_key('"ClaimNum"') }} as claim_id,
    lower("TrackingType") as tracking_type,
    {{ foreign_key('"UserNum"') }} as user_id,
    {{ foreign_key('"TrackingDefNum"') }} as tracking_status_id,
    {{ foreign_key('"TrackingErrorDefNum"') }} as tracking_error_id,
    "DateTimeEntry" as entered_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'claimtracking') }}
