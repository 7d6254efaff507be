{{ config(tags=['smoke', 'reference']) }}

with providers as (
    select * from {{ ref('stg_opendental__provider') }}
),

specialties as (
    select definition_id, item_name from {{ ref('stg_opendental__definition') }}
),

-- 0 stands for "no provider", so that every fact finds its row.
keys as (
    select provider_id from providers
    union all
    select 0
)

select
    keys.provider_id,
    coalesce(providers.abbreviation, 'none') as abbreviation,
    coalesce(
        nullif(trim(concat_ws(' ', providers.first_name, providers.last_name, nullif(providers.suffix, ''))), ''),
        providers.abbreviation,
        'none'
    ) as provider_name,
    coalesce(specialties.item_name, 'none') as specialty,
    coalesce(providers.is_hygienist, false) as is_hygienist,
    coalesce(providers.is_not_person, false) as is_not_person,
    coalesce(providers.is_hidden, false) as is_hidden,
    providers.provider_status,
    providers.provider_status_label,
    coalesce(providers.provider_status = 0 and not providers.is_hidden, false) as is_active,
    coalesce(providers.fee_schedule_id, 0) as fee_schedule_id,
    providers.national_provider_id,
    {{ cents('coalesce(providers.hourly_production_goal, 0)') }} as hourly_production_goal,
    providers.terminated_date
from keys
left join providers using (provider_id)
left join specialties on providers.specialty_id = specialties.definition_id
