{{ config(tags=['financial', 'reference']) }}

-- Open Dental compares preference names without case.
with preferences as (
    select lower(preference_name) as preference_name, max(trim(value)) as value
    from {{ ref('stg_opendental__preference') }}
    group by 1
),

pivoted as (
    select
        max(value) filter (where preference_name = 'payplansversion') as pay_plans_version,
        max(value) filter (where preference_name = 'agingproclifo') as aging_proc_lifo,
        max(value) filter (where preference_name = 'databaseversion') as database_version,
        max(value) filter (where preference_name = 'payplansbillinadvancedays') as bill_in_advance_days,
        max(value) filter (where preference_name = 'reportsppowriteoffdefaulttoprocdate') as write_off_basis,
        max(value) filter (where preference_name = 'datelastaging') as last_aging
    from preferences
)

select
    case when pay_plans_version in ('1', '2', '3', '4') then cast(pay_plans_version as integer) else 2 end
        as pay_plans_version,
    -- Three states: 0 means "never set", which Open Dental treats as yes.
    coalesce(aging_proc_lifo, '0') <> '2' as is_aging_lifo,
    -- 24.3.35.0 becomes 2403; an unreadable version is taken for the newest.
    coalesce(
        cast((regexp_match(database_version, '^(\d{1,4})\.(\d{1,2})'))[1] as integer) * 100
        + cast((regexp_match(database_version, '^(\d{1,4})\.(\d{1,2})'))[2] as integer),
        9999
    ) as database_version,
    case when bill_in_advance_days ~ '^\d{1,4}$' then cast(bill_in_advance_days as integer) else 0 end
        as bill_in_advance_days,
    -- 0 payment date, 1 procedure date, 2 claim date; Open Dental reads anything else as 2.
    case coalesce(write_off_basis, '0') when '0' then 0 when '1' then 1 else 2 end as write_off_basis,
    -- Text on purpose: it is only compared, and a preference may hold anything.
    left(last_aging, 10) as last_aged_on
from pivoted
