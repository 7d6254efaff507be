{{ config(tags=['financial']) }}

select
    cast("PayPlanLinkNum" as bigint) as payment_plan_link_id,
    {{ foreign_key('"PayPlanNum"') }} as payment_plan_id,
    cast("LinkType" as integer) as link_type,
    link_type.label as link_type_label,
    {{ foreign_key('"FKey"') }} as linked_id,
    {{ money('"AmountOverride"') }} as amount_override,
    {{ clinic_timestamp('"SecDateTEntry"') }} as entered_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'payplanlink') }}
{{ labels('payplanlink', link_type='"LinkType"') }}
