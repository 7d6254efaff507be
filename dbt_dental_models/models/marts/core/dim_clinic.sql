{{ config(tags=['reference']) }}

with clinics as (
    select * from {{ ref('stg_opendental__clinic') }}
),

regions as (
    select definition_id, item_name from {{ ref('stg_opendental__definition') }}
),

-- 0 stands for "no clinic": the whole practice where clinics are switched off, its office where they are on.
keys as (
    select clinic_id from clinics
    union all
    select 0
)

select
    keys.clinic_id,
    coalesce(clinics.abbreviation, 'none') as abbreviation,
    coalesce(clinics.clinic_name, 'none') as clinic_name,
    coalesce(regions.item_name, 'none') as region,
    clinics.city,
    clinics.state,
    clinics.zip_code,
    clinics.time_zone,
    clinics.item_order,
    coalesce(clinics.is_medical_only, false) as is_medical_only,
    coalesce(clinics.is_hidden, false) as is_hidden
from keys
left join clinics using (clinic_id)
left join regions on clinics.region_id = regions.definition_id
