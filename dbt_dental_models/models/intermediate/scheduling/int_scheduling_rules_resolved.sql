{{ config(tags=['reference']) }}

-- Open Dental compares preference names without case.
with preferences as (
    select lower(preference_name) as preference_name, max(trim(value)) as value
    from {{ ref('stg_opendental__preference') }}
    group by 1
),

pivoted as (
    select
        max(value) filter (where preference_name = 'recalltypesshowinginlist') as recall_types,
        max(value) filter (where preference_name = 'recallexcludeifanyfutureappt') as excludes_future,
        max(value) filter (where preference_name = 'balancesdontsubtractins') as balance_is_gross,
        max(value) filter (where preference_name = 'brokenappointmentadjustmenttype') as broken_type,
        max(value) filter (where preference_name = 'reportpandischedprodsubtractswo') as subtracts_write_offs,
        string_agg(value, ',') filter (
            where preference_name in ('recalltypespecialprophy', 'recalltypespecialperio', 'recalltypespecialchildprophy')
        ) as special_types,
        string_agg(value, ',') filter (
            where preference_name in (
                'confirmstatusemailed', 'confirmstatustextmessaged', 'appteconfirmstatussent',
                'appteconfirmstatussendfailed', 'appteconfirmstatusdeclined'
            )
        ) as asked_statuses
    from preferences
)

select
    -- Lists of keys; an empty list of recall types means all of them.
    coalesce(regexp_replace(recall_types, '\s', '', 'g'), '') as recall_types_shown,
    coalesce(special_types, '') as recall_types_special,
    coalesce(asked_statuses, '') as confirmation_statuses_asked,
    coalesce(excludes_future, '0') not in ('0', '') as is_recall_hidden_by_any_appointment,
    coalesce(balance_is_gross, '0') not in ('0', '') as is_balance_before_insurance,
    coalesce(subtracts_write_offs, '0') not in ('0', '') as is_ppo_write_off_subtracted,
    case when broken_type ~ '^\d{1,18}$' then nullif(cast(broken_type as bigint), 0) end as broken_adjustment_type_id
from pivoted
