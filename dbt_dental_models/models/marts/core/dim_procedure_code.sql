{{ config(tags=['reference']) }}

with codes as (
    select
        *,
        -- D1110 belongs to D1; a practice's own codes belong nowhere.
        case when procedure_code ~* '^d\d{4}' then upper(left(procedure_code, 2)) end as service_area
    from {{ ref('stg_opendental__procedurecode') }}
),

categories as (
    select definition_id, item_name from {{ ref('stg_opendental__definition') }}
),

keys as (
    select procedure_code_id from codes
    union all
    select 0
)

select
    keys.procedure_code_id,
    coalesce(codes.procedure_code, 'none') as procedure_code,
    coalesce(codes.description, 'none') as description,
    codes.short_description,
    codes.layman_term,
    coalesce(categories.item_name, 'none') as category,
    coalesce(service_area.label, 'Other') as service_area,
    codes.treatment_area_label as treatment_area,
    coalesce(codes.is_hygiene, false) as is_hygiene,
    coalesce(codes.is_prosthesis, false) as is_prosthesis,
    coalesce(codes.is_radiology, false) as is_radiology,
    coalesce(codes.is_multi_visit, false) as is_multi_visit,
    coalesce(codes.is_not_billed_to_insurance, false) as is_not_billed_to_insurance,
    -- Codes that only record that somebody did not come.
    coalesce(upper(codes.procedure_code) in ('D9986', 'D9987'), false) as is_broken_appointment
from keys
left join codes using (procedure_code_id)
left join categories on codes.category_id = categories.definition_id
{{ labels('procedurecode', service_area='codes.service_area') }}
