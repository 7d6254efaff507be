{{ config(tags=['reference', 'smoke']) }}

select
    cast("ProvNum" as bigint) as provider_id,
    "Abbr" as abbreviation,
    "LName" as last_name,
    "FName" as first_name,
    "Suffix" as suffix,
    {{ foreign_key('"FeeSched"') }} as fee_schedule_id,
    {{ foreign_key('"Specialty"') }} as specialty_id,
    {{ flag('"IsSecondary"') }} as is_hygienist,
    {{ flag('"IsHidden"') }} as is_hidden,
    {{ flag('"IsNotPerson"') }} as is_not_person,
    cast("ProvStatus" as integer) as provider_status,
    provider_status.label as provider_status_label,
    {{ money('"HourlyProdGoalAmt"') }} as hourly_production_goal,
    "PreferredName" as preferred_name,
    "NationalProvID" as national_provider_id,
    cast("ItemOrder" as integer) as item_order,
    {{ flag('"IsInstructor"') }} as is_instructor,
    {{ flag('"IsHiddenReport"') }} as is_hidden_on_reports,
    {{ clinic_date('"DateTerm"') }} as terminated_date,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'provider') }}
{{ labels('provider', provider_status='"ProvStatus"') }}
