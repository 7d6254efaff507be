{{ config(tags=['insurance']) }}

select
    cast("InsSubNum" as bigint) as insurance_subscription_id,
    {{ foreign_key('"PlanNum"') }} as insurance_plan_id,
    {{ foreign_key('"Subscriber"') }} as subscriber_id,
    {{ clinic_date('"DateEffective"') }} as effective_date,
    {{ clinic_date('"DateTerm"') }} as terminated_date,
    {{ flag('"AssignBen"') }} as is_benefit_assigned,
    {{ flag('"ReleaseInfo"') }} as is_release_signed,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'inssub') }}
